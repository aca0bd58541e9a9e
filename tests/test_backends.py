"""Language model servers, good and bad, through the command: what is sent, what comes out, how each failure is reported.

A local server replays bytes in the shapes that Ollama 0.33, llama.cpp's server and llama-cpp-python send.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audiolog_cli.errors import LLMError, UsageError
from audiolog_cli.llm.backend import Request, is_repeating
from audiolog_cli.llm.clean import cleaned
from audiolog_cli.llm.endpoint import Connection, open_backend
from audiolog_cli.llm.openai_backend import PRESETS, OpenAIBackend, client_for, events
from tests.log_tables import cells_tsv
from tests.replay_server import Answer, Asked, answering
from tests.shell import Result, audiolog, sh

KEY = "sk-very-secret-0123456789"
TABLE = cells_tsv({"farm": [(0, 10)]}, {"dog_bark": [(2, 5)]})
SAID = "A dog barks from 2 to 5 seconds."
QUIET_CHECK = "--check off --by whole --context 4096 --cache off"


def ollama(
    answer: Callable[[Asked], Answer], tmp_path: Path, options: str = QUIET_CHECK, table: bytes = TABLE, **environment: str
) -> tuple[Result, list[Asked]]:
    def respond(asked: Asked) -> Answer:
        return (
            Answer(json.dumps({"model_info": {"llama.context_length": 131072}})) if asked.path == "/api/show" else answer(asked)
        )

    with answering(respond) as (url, asked):
        done = audiolog(f"summarize --llm ollama:m {options}", tmp_path, table, OLLAMA_HOST=url, **environment)
    return done, [one for one in asked if one.path == "/api/chat"]


def service(
    answer: Callable[[Asked], Answer], tmp_path: Path, options: str = QUIET_CHECK, table: bytes = TABLE, **environment: str
) -> tuple[Result, list[Asked], str]:
    def respond(asked: Asked) -> Answer:
        return answer(asked) if asked.path == "/v1/chat/completions" else Answer('{"error": {"message": "File Not Found"}}', 404)

    with answering(respond) as (url, asked):
        done = audiolog(f"summarize --llm '{url}#m' {options}", tmp_path, table, **environment)
    return done, [one for one in asked if one.path == "/v1/chat/completions"], f"{url}/v1#m"


def chat(*pieces: str, last: dict[str, object] | None = None) -> Answer:
    """An Ollama stream: one JSON object a line."""
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 120, "eval_count": 9} if last is None else last
    lines = [{"model": "m", "message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces]
    lines += [{"model": "m", "message": {"role": "assistant", "content": ""}, **end}] if end else []
    return Answer([json.dumps(line).encode() + b"\n" for line in lines], content_type="application/x-ndjson")


def sse(*chunks: dict[str, object] | str, **options: object) -> Answer:
    """A server-sent event stream."""
    data = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return Answer([f"data: {one}\n\n".encode() for one in data], content_type="text/event-stream", **options)  # type: ignore[arg-type]


def delta(text: str | None, finish: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


STOP = delta(None, "stop")
TOO_LONG = {
    "code": 400,
    "message": "request (1212 tokens) exceeds",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 1212,
    "n_ctx": 1024,
}


# Ollama


def test_ollama_answers_in_a_stream(tmp_path: Path) -> None:
    done, asked = ollama(lambda _: chat("A dog barks", " from 2 to 5 seconds."), tmp_path)
    assert (done.code, done.stdout) == (0, SAID + "\n")
    assert len(asked) == 1


def test_ollama_answers_in_one_piece(tmp_path: Path) -> None:
    whole = {
        "model": "m",
        "message": {"role": "assistant", "content": SAID},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 120,
    }
    done, _ = ollama(lambda _: Answer(json.dumps(whole)), tmp_path)
    assert (done.code, done.stdout) == (0, SAID + "\n")


def test_ollama_is_always_sent_the_context_and_not_to_truncate(tmp_path: Path) -> None:
    _, (asked,) = ollama(lambda _: chat(SAID), tmp_path, QUIET_CHECK + " --keep-alive 5m --max-tokens 300")
    body = asked.body
    assert body["options"] == {"num_ctx": 4096, "num_predict": 300, "temperature": 0.0}
    assert (body["truncate"], body["shift"], body["stream"], body["keep_alive"], body["think"]) == (
        False,
        False,
        True,
        "5m",
        False,
    )
    assert body["messages"][0]["content"].startswith(
        "Start(s)\tEnd(s)\tScene\tEvent\n0\t2\tfarm\t(no event recognised)\n2\t5\tfarm\tdog_bark\n"
    )


def test_ollama_gets_what_its_model_holds_without_context(tmp_path: Path) -> None:
    _, (asked,) = ollama(lambda _: chat(SAID), tmp_path, "--check off --cache off")
    assert asked.body["options"]["num_ctx"] == 8192


def test_ollama_key_stays_here(tmp_path: Path) -> None:
    _, (asked,) = ollama(lambda _: chat(SAID), tmp_path, OLLAMA_API_KEY=KEY)
    assert "authorization" not in {name.lower() for name in asked.headers}


OLLAMA_FAILURES = {
    "model missing": (
        Answer('{"error": "model \'m\' not found"}', 404),
        "this Ollama has no such model; get it with `ollama pull m`",
    ),
    "bad option": (
        Answer('{"error": "option \\"num_ctx\\" must be of type integer"}', 500),
        'the server refused (500: option "num_ctx" must',
    ),
    "bad request": (Answer('{"error": "invalid character"}', 400), "the server refused (400: invalid character)"),
    "done false": (chat("A dog", last={"done": False}), "the answer broke off before its end (done: false)"),
    "no end": (chat("A dog", last={}), "the answer broke off before its end (done: false)"),
    "nothing": (Answer("", content_type="application/x-ndjson"), "the server sent an empty answer"),
    "empty text": (chat(""), "the answer is empty"),
    "unloaded": (
        chat("", last={"done": True, "done_reason": "unload"}),
        "the server ended without an answer (done_reason: unload)",
    ),
    "length": (
        chat("A dog", last={"done": True, "done_reason": "length"}),
        "the answer was cut off at 1024 tokens; raise --max-tokens",
    ),
    "error in the stream": (
        Answer([b'{"message": {"role": "assistant", "content": "A"}, "done": false}\n', b'{"error": "out of memory"}\n']),
        "the server failed in the middle of the answer: out of memory",
    ),
    "too long": (
        Answer(json.dumps({"error": json.dumps({"error": TOO_LONG})}), 400),
        "the prompt is 1212 tokens, the model holds 1024",
    ),
    "too long, said in words": (
        Answer('{"error": "the prompt is longer than the context length currently available"}', 400),
        "the prompt is longer than the model's context",
    ),
    "endless": (chat(*["a dog barks. "] * 60), "the model repeats itself without end"),
    "no JSON": (Answer("<html>", content_type="text/html"), "does not speak Ollama's protocol"),
    "not an object": (Answer("[1]\n"), "does not speak Ollama's protocol: 'list' object has no attribute 'get'"),
    "an object for an error": (Answer('{"error": {"message": "boom"}}\n'), "does not speak Ollama's protocol"),
    "cut connection": (
        Answer('{"message": {"role": "assistant", "content": "A"}, "done": false}\n', broken=True),
        "the connection to",
    ),
}


@pytest.mark.parametrize("case", OLLAMA_FAILURES)
def test_ollama_failures_are_exit_4_with_a_cause(case: str, tmp_path: Path) -> None:
    answer, message = OLLAMA_FAILURES[case]
    done, _ = ollama(lambda _: answer, tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.code == 4
    assert last.startswith("audiolog: ollama:m: ")
    assert message in last


def test_ollama_busy_is_asked_again(tmp_path: Path) -> None:
    answers = [Answer('{"error": "server busy"}', 503), chat(SAID)]
    done, asked = ollama(lambda _: answers.pop(0), tmp_path)
    assert (done.code, done.stdout, len(asked)) == (0, SAID + "\n", 2)
    assert "audiolog: ollama:m: the server is busy (503: server busy); trying again in 1 s\n" in done.stderr


def test_ollama_not_running(tmp_path: Path) -> None:
    done = audiolog("summarize --llm ollama:m", tmp_path, TABLE, OLLAMA_HOST="http://127.0.0.1:9")
    assert (done.code, done.stdout) == (4, "")
    assert done.stderr == (
        "audiolog: ollama:m: no Ollama server at http://127.0.0.1:9; start it with `ollama serve`, or name its host in "
        "OLLAMA_HOST\n"
    )


def test_ollama_that_says_nothing_runs_into_the_timeout(tmp_path: Path) -> None:
    def slow(_: Asked) -> Answer:
        time.sleep(1.5)
        return chat(SAID)

    done, _ = ollama(slow, tmp_path, QUIET_CHECK + " --timeout 0.5")
    assert done.code == 4
    assert "sent nothing for 0.5 s; raise --timeout" in done.stderr


def test_more_context_than_the_model_holds_is_refused(tmp_path: Path) -> None:
    done, asked = ollama(lambda _: chat(SAID), tmp_path, "--context 200000")
    assert (done.code, asked) == (4, [])
    assert done.stderr == "audiolog: ollama:m: --context 200000 is more than the 131072 tokens that the model holds\n"


def test_recorded_ollama_answers_replayed(shared: Path, tmp_path: Path) -> None:
    recorded = (shared / "llm" / "wire_ollama.txt").read_text()
    cases = {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in recorded.split("\n## ")[1:]}
    bodies = {name: (text.rsplit("\n-> ", 1)[0], int(text.rsplit("\n-> ", 1)[1].split()[0])) for name, text in cases.items()}
    expected = {
        "chat-stream": "cut off at 1024 tokens",
        "missing": "ollama pull m",
        "bad-option": 'refused (500: option "num_ctx"',
        "generation-overrun-shift-false": "done: false",
        "unload": "done_reason: unload",
        "too-long stream": "the prompt is 1212 tokens, the model holds 1024",
        'too-long n=130 num_ctx=1024 extra={"shift":false}': "longer than the model's context",
    }
    for name, message in expected.items():
        body, status = bodies[name]
        done, _ = ollama(lambda _, body=body, status=status: Answer(body, status), tmp_path)  # type: ignore[misc]
        assert (done.code, message in done.stderr) == (4, True), (name, done.stderr)
    body, _ = bodies["think-false"]
    done, _ = ollama(lambda _: Answer(body.replace('"prompt_eval_count":21', '"prompt_eval_count":121')), tmp_path)
    assert (done.code, done.stdout) == (0, json.loads(body)["message"]["content"] + "\n")


# OpenAI-compatible services


def test_a_service_answers_in_a_stream(tmp_path: Path) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": 9}}
    done, (asked,), _ = service(
        lambda _: sse(delta("A dog barks"), delta(" from 2 to 5 seconds."), STOP, usage, "[DONE]"), tmp_path, AUDIOLOG_API_KEY=KEY
    )
    assert (done.code, done.stdout) == (0, SAID + "\n")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert (asked.body["model"], asked.body["max_tokens"], asked.body["stream"], asked.body["temperature"]) == (
        "m",
        1024,
        True,
        0.0,
    )


GOOD_STREAMS = {
    "usage with null choices": sse(delta(SAID), STOP, {"choices": None, "usage": {"prompt_tokens": 120}}, "[DONE]"),
    "a finish_reason, no [DONE]": sse(delta(SAID), STOP),
    "[DONE], no finish_reason": sse(delta(SAID), "[DONE]"),
    "comments and other fields": Answer(
        f": ping\n\nevent: message\nid: 7\ndata: {json.dumps(delta(SAID, 'stop'))}\n\n", content_type="text/event-stream"
    ),
    "no empty line at the end": Answer(f"data: {json.dumps(delta(SAID, 'stop'))}\n", content_type="text/event-stream"),
    "carriage returns": Answer(f"data: {json.dumps(delta(SAID, 'stop'))}\r\n\r\n", content_type="text/event-stream"),
    "not streamed": Answer(json.dumps({"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]})),
    "Spark's code of success": sse({"code": 0, "message": "Success", **delta(SAID)}, "[DONE]"),
}


@pytest.mark.parametrize("case", GOOD_STREAMS)
def test_ways_to_end_well(case: str, tmp_path: Path) -> None:
    done, _, _ = service(lambda _: GOOD_STREAMS[case], tmp_path)
    assert (done.code, done.stdout) == (0, SAID + "\n")


QUOTA = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}
SERVICE_FAILURES = {
    "no end": (sse(delta("A dog")), "the answer broke off before its end (neither finish_reason nor [DONE])"),
    "empty stream": (
        Answer("", content_type="text/event-stream"),
        "the answer is empty, as some servers do when the prompt is longer",
    ),
    "empty text": (sse(STOP, "[DONE]"), "the answer is empty"),
    "length": (sse(delta("A dog"), delta(None, "length"), "[DONE]"), "the answer was cut off at 1024 tokens; raise --max-tokens"),
    "filter": (sse(delta(None, "content_filter")), "the service's content filter stopped the answer"),
    "wrong key": (
        Answer(json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}), 401),
        "the key was refused (401: Incorrect API key provided: ***); look at AUDIOLOG_API_KEY",
    ),
    "quota": (Answer(json.dumps(QUOTA), 429), "the account's quota is used up (429: You exceeded your current quota"),
    "wait for long": (
        Answer('{"error": {"message": "slow down"}}', 429, headers={"Retry-After": "3600"}),
        "it asks to wait 3600 s, try again then",
    ),
    "no address": (Answer('{"error": {"message": "File Not Found"}}', 404), "no such address or model (404: File Not Found)"),
    "moved": (
        Answer("", 307, headers={"Location": "http://127.0.0.1:9/"}),
        "the server redirects to http://127.0.0.1:9/ (307), which is not followed",
    ),
    "a page of HTML": (
        Answer("<html>Log in</html>", content_type="text/html"),
        "the server does not speak OpenAI's protocol: expected server-sent events, got '<html>Log in</html>'",
    ),
    "a number for choices": (
        sse({"choices": 5}),
        "the server does not speak OpenAI's protocol: expected choices to be an object, got 5",
    ),
    "a text for delta": (sse({"choices": [{"delta": "A"}]}), 'expected delta to be an object, got "A"'),
    "a text for usage": (sse({"usage": "many"}), 'expected usage to be an object, got "many"'),
    "too long": (Answer(json.dumps({"error": TOO_LONG}), 400), "the prompt is 1212 tokens, the model holds 1024"),
    "too long, llama-cpp-python": (
        Answer(
            json.dumps(
                {
                    "error": {
                        "message": "maximum context length is 2048 tokens. However, you requested 3683 tokens",
                        "code": "context_length_exceeded",
                    }
                }
            ),
            400,
        ),
        "the prompt is 3683 tokens, the model holds 2048",
    ),
    "error inside 200": (
        sse(delta("A"), {"error": {"message": "overloaded", "code": 503}}),
        "the service answered with an error: overloaded (code 503)",
    ),
    "Spark's error inside 200": (
        Answer('{"code": 11200, "message": "AppIdNoAuthError", "sid": "x"}'),
        "the service answered with an error: AppIdNoAuthError (code 11200)",
    ),
    "no JSON": (sse("{broken"), "the server does not speak OpenAI's protocol"),
    "not an object": (sse("[1]"), "the server does not speak OpenAI's protocol: expected a JSON object, got '[1]'"),
    "cut connection": (replace(sse(delta("A dog")), broken=True), "the connection to http://127.0.0.1:"),
    "endless": (sse(*[delta("0:05 dog, ")] * 60), "the model repeats itself without end"),
    "boundless": (
        sse(*[delta(" ".join(map(str, range(500 * part, 500 * part + 500)))) for part in range(60)]),
        "the model goes on and on, far beyond the 1024 tokens it may answer",
    ),
}


@pytest.mark.parametrize("case", SERVICE_FAILURES)
def test_service_failures_are_exit_4_with_a_cause_and_no_key(case: str, tmp_path: Path) -> None:
    answer, message = SERVICE_FAILURES[case]
    done, _, name = service(lambda _: answer, tmp_path, AUDIOLOG_API_KEY=KEY)
    last = done.stderr.splitlines()[-1]
    assert done.code == 4
    assert last.startswith(f"audiolog: {name}: ")
    assert message in last
    assert KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_service_is_asked_again_when_it_says(status: int, tmp_path: Path) -> None:
    answers = [Answer('{"error": {"message": "busy"}}', status, headers={"Retry-After": "0"})] * 2 + [sse(delta(SAID), STOP)]
    done, asked, name = service(lambda _: answers.pop(0), tmp_path)
    assert (done.code, done.stdout, len(asked)) == (0, SAID + "\n", 3)
    assert f"audiolog: {name}: the service is busy ({status}: busy); trying again in 0 s\n" in done.stderr


@pytest.mark.parametrize("header", ["nan", "-5", "soon"])
def test_a_busy_service_that_says_nothing_useful_is_asked_again_after_a_second(header: str, tmp_path: Path) -> None:
    answers = [Answer("{}", 503, headers={"Retry-After": header}), sse(delta(SAID), STOP)]
    done, _, _ = service(lambda _: answers.pop(0), tmp_path)
    assert done.code == 0 and "trying again in 1 s\n" in done.stderr


def test_no_service_there(tmp_path: Path) -> None:
    done = audiolog("summarize --llm 'http://127.0.0.1:9#m'", tmp_path, TABLE)
    assert (done.code, done.stdout) == (4, "")
    assert (
        done.stderr
        == "audiolog: http://127.0.0.1:9/v1#m: no server answers at http://127.0.0.1:9/v1: Connection refused; is it running, "
        "is the address right?\n"
    )


def test_a_server_that_hangs_up_before_its_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that closes a connection at the moment in which the next question comes, or that starts again."""
    monkeypatch.setattr("audiolog_cli.llm.backend.WAITS", (0.0,))
    answers = [Answer("", hangs_up=True), sse(delta(SAID), STOP)]
    done, _, name = service(lambda _: answers.pop(0), tmp_path)
    assert (done.code, done.stdout) == (0, SAID + "\n")
    assert f"audiolog: {name}: the server hung up without an answer; trying again in 0 s\n" in done.stderr
    done, _, name = service(lambda _: Answer("", hangs_up=True), tmp_path)
    assert done.code == 4 and done.stderr.endswith(f"audiolog: {name}: the server hung up without an answer\n")


@pytest.mark.parametrize("path", ["/props", "/v1/models"])
def test_a_server_that_describes_its_model_oddly_is_one_line(path: str, tmp_path: Path) -> None:
    odd = {"default_generation_settings": [1], "data": [{"id": "m", "meta": "x"}]}
    with answering(lambda asked: Answer(json.dumps(odd)) if asked.path == path else Answer("{}", 404)) as (url, _):
        done = audiolog(f"summarize --llm '{url}#m'", tmp_path, TABLE)
    what = {"/props": "default_generation_settings to be an object, got [1]", "/v1/models": 'meta to be an object, got "x"'}
    assert (done.code, done.stderr) == (
        4,
        f"audiolog: {url}/v1#m: the server does not speak OpenAI's protocol: expected {what[path]}\n",
    )


@pytest.mark.parametrize(
    ("environment", "code", "message"),
    [
        (
            {"HTTP_PROXY": "http://me:secret@127.0.0.1:9"},
            4,
            "http://a.invalid/v1#m: no server answers at http://a.invalid/v1 through the proxy 127.0.0.1:9: Connection refused;",
        ),
        (
            {"ALL_PROXY": "ftp://x"},
            2,
            "a proxy (HTTP_PROXY, ALL_PROXY, ...) or OLLAMA_HOST cannot be used: Unknown scheme for proxy",
        ),
        ({"SSL_CERT_FILE": "/nowhere"}, 2, "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names: no such file\n"),
    ],
)
def test_what_the_environment_says_of_the_way_to_a_server_is_named(
    environment: dict[str, str], code: int, message: str, tmp_path: Path
) -> None:
    client_for.cache_clear()  # one client for all commands of this process
    done = audiolog("summarize --llm http://a.invalid#m", tmp_path, TABLE, **environment)
    assert (done.code, done.stderr[: len(f"audiolog: {message}")]) == (code, f"audiolog: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["http://[", "127.0.0.1:99999"])
def test_an_ollama_host_that_is_none_is_one_line(host: str, tmp_path: Path) -> None:
    done = sh("audiolog summarize --llm ollama:m", tmp_path, TABLE, OLLAMA_HOST=host)
    assert done.code == 2
    assert done.stderr.startswith("audiolog: a proxy (HTTP_PROXY, ALL_PROXY, ...) or OLLAMA_HOST cannot be used: ")


def test_an_answer_that_cannot_be_kept_is_printed_nevertheless(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    done, _, _ = service(lambda _: sse(delta(SAID), STOP), tmp_path, QUIET_CHECK.replace("cache off", "cache cache/x"))
    assert (done.code, done.stdout) == (0, SAID + "\n")
    assert "audiolog: cache/x: not a directory; this answer is not kept\n" in done.stderr


@pytest.mark.parametrize(
    ("llm", "message"),
    [
        (
            "gpt-4o-mini",
            "--llm gpt-4o-mini: expected outline, local, gguf:PATH, ollama:MODEL, openai:MODEL, qianfan:MODEL, spark:MODEL or "
            "URL#MODEL; "
            "did you mean openai:gpt-4o-mini?\n",
        ),
        ("ollama:", "--llm ollama:: expected outline"),
        ("http://127.0.0.1:8080", "--llm http://127.0.0.1:8080: expected http(s)://HOST:PORT/v1#MODEL"),
        ("http://ä..de#m", "--llm: not a URL: Invalid IDNA hostname: 'ä..de'"),
        ("openai:gpt-4o-mini", "--llm openai:gpt-4o-mini: no key; put it into the environment variable OPENAI_API_KEY"),
        ("spark:lite", "--llm spark:lite: no key; put it into the environment variable SPARK_API_PASSWORD"),
        (
            f"http://user:{KEY}@127.0.0.1:9#m",
            "--llm: keys do not belong in a URL; put the key into the environment variable AUDIOLOG_API_KEY",
        ),
    ],
)
def test_wrong_llm_is_exit_2(llm: str, message: str, tmp_path: Path) -> None:
    done = audiolog(f"summarize --llm '{llm}'", tmp_path, TABLE, OPENAI_API_KEY="", SPARK_API_PASSWORD="")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"audiolog: {message}")
    assert KEY not in done.stderr


def test_a_key_with_a_line_break_is_refused_without_showing_it(tmp_path: Path) -> None:
    done = audiolog("summarize --llm openai:m", tmp_path, TABLE, OPENAI_API_KEY=f"{KEY}\nx")
    assert (done.code, done.stderr) == (2, "audiolog: OPENAI_API_KEY holds characters that no key has; set it again\n")


@pytest.mark.parametrize(
    ("service_name", "variable"), [("openai", "OPENAI_API_KEY"), ("qianfan", "QIANFAN_API_KEY"), ("spark", "SPARK_API_PASSWORD")]
)
def test_presets_send_what_their_service_wants(service_name: str, variable: str) -> None:
    environ = {variable: KEY, "AUDIOLOG_API_KEY": "other"}
    with open_backend(f"{service_name}:m", Connection(), environ, print) as backend:
        pass
    assert isinstance(backend, OpenAIBackend)
    assert KEY not in repr(backend)
    with answering(lambda _: sse(delta(SAID), STOP)) as (url, asked):
        local = replace(backend, preset=replace(PRESETS[service_name], base_url=url))
        assert local.answer(Request(("the table",), 4096, 100)).text == SAID
    body, (one,) = asked[0].body, asked
    assert one.headers["Authorization"] == f"Bearer {KEY}"
    wanted = {
        "openai": ({"max_completion_tokens": 100}, "temperature"),
        "qianfan": ({"max_tokens": 100, "temperature": 0.1}, "max_completion_tokens"),
        "spark": ({"max_tokens": 100, "temperature": 0.1}, "stream_options"),
    }[service_name]
    assert wanted[0].items() <= body.items()
    assert wanted[1] not in body
    assert "cache_prompt" not in body


def test_a_key_goes_only_to_its_own_service() -> None:
    with open_backend("http://127.0.0.1:9#m", Connection(), {"OPENAI_API_KEY": KEY}, print) as backend:
        pass
    assert isinstance(backend, OpenAIBackend)
    assert backend.key == ""


def test_events_of_a_stream() -> None:
    assert list(events(iter(["data: a", "", ":x", "event: y", "data:b", "data: c", "", "", "data: d"]))) == ["a", "b\nc", "d"]


def test_repetition_is_distinguished_from_a_long_list() -> None:
    assert is_repeating("x" * 240)
    assert is_repeating("dog at 0:05, " * 30)
    assert not is_repeating("".join(f"dog at 0:{second:02d}, " for second in range(60)))
    assert not is_repeating("=" * 80)


def test_a_refused_prompt_names_both_lengths() -> None:
    backend = OpenAIBackend("x", replace(PRESETS["openai"], base_url="http://127.0.0.1:9"), "m", "", 1.0, print)
    with pytest.raises(LLMError, match="no server answers at"):
        backend.answer(Request(("table",), 4096, 100))
    with pytest.raises(UsageError, match="not a URL"), open_backend("http://[1#m", Connection(), {}, print):
        pass


# What models and servers do besides answering


THOUGHTS = {
    "tags": "<think>A cat at 0:03? No.</think>\n\n" + SAID,
    "a bare closing tag": "A cat at 0:03? No.\n</think>\n\n" + SAID,
    "gpt-oss channels": "<|channel|>analysis<|message|>A cat?<|end|><|start|>assistant<|channel|>final<|message|>"
    + SAID
    + "<|return|>",
    "Mistral": "[THINK]A cat?[/THINK]" + SAID,
    "other tags": "<Reasoning>\nA cat?\n</Reasoning>\n" + SAID,
}
ONLY_THOUGHTS = {
    "tags": "<think>A dog at 0:02?</think>",
    "cut off while thinking": "<think>A dog at 0:02? Or",
    "one channel": "<|channel|>analysis<|message|>A dog?<|end|>",
}


def in_pieces(text: str) -> list[str]:
    """A text in pieces of three characters, so that tags and escapes are torn apart."""
    return [text[start : start + 3] for start in range(0, len(text), 3)]


def answers_of(text: str) -> dict[str, Answer]:
    """The same answer of both servers, in one piece and streamed."""
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 120}
    whole = {"model": "m", "message": {"role": "assistant", "content": text, "thinking": "A cat at 0:04."}, **end}
    plain = {"choices": [{"message": {"content": text, "reasoning_content": "A cat at 0:04."}, "finish_reason": "stop"}]}
    return {
        "ollama": Answer(json.dumps(whole)),
        "ollama, streamed": chat(*in_pieces(text)),
        "service": Answer(json.dumps(plain)),
        "service, streamed": sse(
            {"choices": [{"delta": {"reasoning_content": "A cat"}}]}, *map(delta, in_pieces(text)), STOP, "[DONE]"
        ),
    }


def said(way: str, answer: Answer, tmp_path: Path, options: str = QUIET_CHECK) -> Result:
    return (ollama if way.startswith("ollama") else service)(lambda _: answer, tmp_path, options)[0]


@pytest.mark.parametrize("case", THOUGHTS)
def test_thoughts_are_no_part_of_the_log(case: str, tmp_path: Path) -> None:
    for way, answer in answers_of(THOUGHTS[case]).items():
        assert said(way, answer, tmp_path)[:2] == (0, SAID + "\n"), way


@pytest.mark.parametrize("case", ONLY_THOUGHTS)
@pytest.mark.parametrize("options", [QUIET_CHECK, "--context 4096 --cache off --by section", "--context 4096 --cache off"])
def test_thoughts_alone_are_an_empty_answer(case: str, options: str, tmp_path: Path) -> None:
    for way, answer in answers_of(ONLY_THOUGHTS[case]).items():
        done = said(way, answer, tmp_path, options)
        assert (done.code, done.stdout) == (4, ""), way
        assert "the answer is empty; a thinking model may need a higher --max-tokens than 1024" in done.stderr


def test_nothing_reaches_the_terminal_but_text(tmp_path: Path) -> None:
    nasty = SAID + "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\x00\r\nA \U0001f426."
    for way, answer in answers_of(nasty).items():
        assert said(way, answer, tmp_path)[:2] == (0, SAID + "\nA \U0001f426.\n"), way
    refused = Answer(json.dumps({"error": {"message": "no\x1b[2J\x1b]0;title\x07 such thing"}}), 400)
    assert said("service", refused, tmp_path).stderr.endswith("(400: no such thing)\n")


def test_halves_of_characters_are_joined_or_replaced(tmp_path: Path) -> None:
    halves = sse(delta("A bird \ud83d"), delta("\udc26 and half \ud83d."), STOP)
    assert said("service", halves, tmp_path)[:2] == (0, "A bird \U0001f426 and half \ufffd.\n")
    line = (
        '{"message": {"role": "assistant", "content": "A bird \\ud83d\\udc26, half \\ud83d, text \\\\ud83d."}, "done": true, '
        '"done_reason": "stop"}'
    )
    assert said("ollama", Answer(line), tmp_path)[:2] == (0, "A bird \U0001f426, half \ufffd, text \\ud83d.\n")


def test_content_may_be_a_list_of_parts(tmp_path: Path) -> None:
    parts = [{"type": "thinking", "thinking": "A cat?"}, {"type": "text", "text": "A dog barks"}, {"type": "text", "text": "."}]
    plain = Answer(json.dumps({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}))
    streamed = sse({"choices": [{"delta": {"content": parts}}]}, STOP)
    for answer in (plain, streamed):
        assert said("service", answer, tmp_path)[:2] == (0, "A dog barks.\n")


REFUSALS = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is "
    "supported.",
    "stream_options": "Unrecognized request argument supplied: stream_options",
    "cache_prompt": "body.cache_prompt: Extra inputs are not permitted",
}


def test_a_refused_parameter_is_left_out_from_then_on(tmp_path: Path) -> None:
    def picky(asked: Asked) -> Answer:
        for name, message in REFUSALS.items():
            if name in asked.body:
                return Answer(json.dumps({"error": {"message": message, "param": name}}), 400)
        return sse(delta(SAID), STOP)

    both = TABLE + cells_tsv({"farm": [(0, 10)]}, {"dog_bark": [(2, 5)]}, "barn.wav")
    done, asked, _ = service(picky, tmp_path, table=both)
    assert (done.code, done.stdout) == (0, f"Log of farm.wav\n\n{SAID}\n\nLog of barn.wav\n\n{SAID}\n")
    assert len(asked) == len(REFUSALS) + 2  # each is refused once; the second recording is asked for without them
    assert asked[-1].body.keys() == {"model", "messages", "stream", "max_completion_tokens"}


def test_a_parameter_that_is_refused_again_is_an_error(tmp_path: Path) -> None:
    refused = Answer(json.dumps({"error": {"message": "temperature and max_tokens are wrong"}}), 400)
    done, asked, _ = service(lambda _: refused, tmp_path)
    assert (done.code, len(asked)) == (4, 2)
    assert "the service refused (400: temperature and max_tokens are wrong)" in done.stderr


OVERFLOWS = {
    "vLLM": {
        "object": "error",
        "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (3976 in the "
        "messages, 1024 in the completion).",
        "type": "BadRequestError",
        "code": 400,
    },
    "vLLM, newer": {
        "error": {
            "message": "'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum context length is 2048 "
            "tokens and your "
            "request has 1500 input tokens (1024 > 2048 - 1500).",
            "type": "BadRequestError",
            "code": 400,
        }
    },
    "LM Studio": {
        "error": "Trying to keep the first 4567 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 "
        "tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input"
    },
    "LM Studio, newer": {
        "error": "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5432>= n_ctx: "
        "4096). "
        "Try to load the model with a larger context length, or provide a shorter input."
    },
    "SGLang": {
        "error": {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).", "code": 400}
    },
    "llama-cpp-python": {"error": {"message": "Requested tokens (5000) exceed context window of 4096", "code": None}},
}


@pytest.mark.parametrize("case", OVERFLOWS)
def test_every_wording_of_a_prompt_that_is_too_long_leads_to_sections(case: str, tmp_path: Path) -> None:
    def small(asked: Asked) -> Answer:
        is_whole = len(asked.body["messages"]) == 1
        return Answer(json.dumps(OVERFLOWS[case]), 400) if is_whole else sse(delta(SAID), STOP)

    done, asked, _ = service(small, tmp_path, "--context 4096 --cache off --prompt timing")
    assert (done.code, len(asked[0].body["messages"])) == (0, 1)
    assert SAID in done.stdout
    assert "asking section by section" in done.stderr


def test_an_overflow_in_the_middle_of_a_stream_leads_to_sections(tmp_path: Path) -> None:
    def small(asked: Asked) -> Answer:
        error = Answer(
            'event: error\ndata: {"error": "context length of only 4096 tokens"}\n\n', content_type="text/event-stream"
        )
        return error if len(asked.body["messages"]) == 1 else sse(delta(SAID), STOP)

    assert service(small, tmp_path, "--context 4096 --cache off")[0].code == 0


LONG = cells_tsv(
    {"farm": [(0, 100)]}, {event: [(start, start + 1) for start in range(0, 100, 2)] for event in ("car", "dog_bark", "rain")}
)


@pytest.mark.parametrize("way", ["ollama", "service"])
def test_a_silently_cut_prompt_is_distinguished_from_a_cached_one(way: str, tmp_path: Path) -> None:
    """Both read fewer tokens than the prompt has words; only the cut one does so again when the prompt begins anew."""

    def reading(counts: list[int]) -> Result:
        left = list(counts)

        def answer(_: Asked) -> Answer:
            count = left.pop(0) if left else 900
            usage = {"choices": [], "usage": {"prompt_tokens": count}}
            end = {"done": True, "done_reason": "stop", "prompt_eval_count": count}
            return chat(SAID, last=end) if way == "ollama" else sse(delta(SAID), STOP, usage)

        done = (ollama if way == "ollama" else service)(answer, tmp_path, QUIET_CHECK.replace("4096", "8192"), LONG)[0]
        assert not left
        return done

    assert reading([12]).code == 0  # no server has a context of 12 tokens
    assert reading([300, 900]).code == 0
    cut = reading([300, 310])
    assert "the server cut the prompt in silence: it read 310 tokens of at least" in cut.stderr
    assert cut.stderr.splitlines()[0].endswith("; trying a shorter text of the table")


def test_cached_tokens_count_as_read(tmp_path: Path) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 300, "prompt_tokens_details": {"cached_tokens": 2000}}}
    done, asked, _ = service(lambda _: sse(delta(SAID), STOP, usage), tmp_path, QUIET_CHECK.replace("4096", "8192"), LONG)
    assert (done.code, len(asked)) == (0, 1)
    assert "300 tokens sent (2000 of them still known to the server)" in done.stderr


def test_ollama_that_cannot_be_told_not_to_think_is_asked_again(tmp_path: Path) -> None:
    def old(asked: Asked) -> Answer:
        return Answer('{"error": "\\"m\\" does not support thinking"}', 400) if "think" in asked.body else chat(SAID)

    done, asked = ollama(old, tmp_path)
    assert (done.code, done.stdout, len(asked)) == (0, SAID + "\n", 2)


def test_an_answer_about_thinking_keeps_its_words() -> None:
    assert cleaned("A dog barks. I think it is a <small> dog.") == "A dog barks. I think it is a <small> dog."
    assert cleaned("No thoughts, <b>bold</b>.\n\n\tTabs stay.") == "No thoughts, <b>bold</b>.\n\n\tTabs stay."


def test_ollama_says_how_large_its_model_is(tmp_path: Path) -> None:
    """A small model is asked by section whatever its name."""

    def respond(asked: Asked) -> Answer:
        if asked.path != "/api/show":
            return chat(SAID)
        return Answer(json.dumps({"model_info": {"llama.context_length": 4096, "general.parameter_count": 1_235_814_432}}))

    with answering(respond) as (url, asked):
        done = audiolog("summarize --llm ollama:mine --prompt timing --cache off", tmp_path, TABLE, OLLAMA_HOST=url)
    assert done.code == 0, done.stderr
    assert len(asked[1].body["messages"]) == 3  # instruction and example, as a section is asked about
