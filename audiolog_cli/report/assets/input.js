/* What buttons, pointer, wheel, keys, sound and links do to a timeline. */

function wireTools(t) {
  const centre = () => (t.view.from + t.view.to) / 2;
  const changed = () => {
    layOut(t);
    t.draw();
  };
  const every = (isShown) => () => {
    setChoices(t.find(".choices"), t.events, isShown);
    changed();
  };
  const actions = {
    in: () => look(t, zoomed(t.view, 0.5, centre())),
    out: () => look(t, zoomed(t.view, 2, centre())),
    all: () => look(t, whole(t.view)),
    every: every(true),
    none: every(false),
  };
  for (const button of t.section.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
  fillChoices(t.find(".choices"), t.events, changed);
  t.find(".find").addEventListener("input", (event) => findChoices(t.find(".choices"), event.target.value));
  t.find(".least").addEventListener("input", (event) => {
    t.least = Number(event.target.value);
    t.find(".least-shown").textContent = (t.least / 100).toFixed(2);
    look(t, t.view);
  });
  t.find(".view").addEventListener("toggle", () => showTable(t));
}

function wirePointer(t) {
  const timeAt = (event) => t.view.from + ((event.clientX - t.plot.getBoundingClientRect().left) / t.width) * (t.view.to - t.view.from);
  const rowAt = (event) => {
    const y = event.clientY - t.plot.getBoundingClientRect().top;
    return t.rows.find((row) => y >= row.top && y < row.top + row.height);
  };
  let drag = null;
  t.plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, view: t.view, isMoved: false };
    t.plot.setPointerCapture(event.pointerId);
  });
  t.plot.addEventListener("pointermove", (event) => {
    if (!drag) return void showTip(t, rowAt(event), timeAt(event), event.clientX, event.clientY);
    drag.isMoved ||= Math.abs(event.clientX - drag.x) > 3;
    if (!drag.isMoved) return;
    t.find(".tip").hidden = true;
    look(t, moved(drag.view, ((drag.x - event.clientX) / t.width) * (drag.view.to - drag.view.from)));
  });
  t.plot.addEventListener("pointerup", (event) => {
    if (drag && !drag.isMoved) seek(t, timeAt(event), true);
    drag = null;
  });
  t.plot.addEventListener("pointercancel", () => (drag = null));
  t.plot.addEventListener("pointerleave", () => (t.find(".tip").hidden = true));
  t.plot.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    const span = t.view.to - t.view.from;
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!isSideways && event.deltaY > 0 && span === t.duration) return; // nothing to zoom: the page scrolls
    event.preventDefault();
    look(t, isSideways ? moved(t.view, (sideways / t.width) * span) : zoomed(t.view, Math.exp(event.deltaY / 500), timeAt(event)));
  }, { passive: false });
}

function wireOverview(t) {
  const strip = t.find(".overview");
  const go = (event) => {
    const box = strip.getBoundingClientRect();
    const span = t.view.to - t.view.from;
    look(t, placed(t.view, ((event.clientX - box.left) / box.width) * t.duration - span / 2, span));
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    go(event);
  });
  strip.addEventListener("pointermove", (event) => event.buttons && go(event));
}

function wireKeys(t) {
  const step = (event) => (event.shiftKey ? 10 : 1) * Math.max(t.cell, (t.view.to - t.view.from) / 200);
  const keys = {
    ArrowLeft: (event) => point(t, t.cursor - step(event)),
    ArrowRight: (event) => point(t, t.cursor + step(event)),
    ArrowUp: () => choose(t, -1),
    ArrowDown: () => choose(t, 1),
    Home: () => point(t, 0),
    End: () => point(t, t.duration),
    "+": () => look(t, zoomed(t.view, 0.5, t.cursor)),
    "=": () => look(t, zoomed(t.view, 0.5, t.cursor)),
    "-": () => look(t, zoomed(t.view, 2, t.cursor)),
    0: () => look(t, whole(t.view)),
    n: () => goToNext(t, t.rows[t.lane], 1),
    p: () => goToNext(t, t.rows[t.lane], -1),
    Enter: () => togglePlay(t),
    " ": () => togglePlay(t),
    Escape: () => (t.find(".tip").hidden = true),
  };
  t.plot.addEventListener("keydown", (event) => {
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  });
  t.plot.addEventListener("blur", () => (t.find(".tip").hidden = true));
}

function wireSound(t) {
  if (!t.audio) return;
  const follow = () => {
    const now = t.audio.currentTime * 1000;
    if (now > t.view.to && now <= t.duration) look(t, moved(t.view, now - t.view.from));
    placeMarks(t);
    if (!t.audio.paused) requestAnimationFrame(follow);
  };
  t.audio.addEventListener("play", follow);
  t.audio.addEventListener("seeked", () => placeMarks(t));
}

function wireLinks(t) {
  t.section.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#t="]');
    if (!link) return;
    event.preventDefault();
    const [onset, offset] = link.hash.slice(3).split(",").map((seconds) => Number(seconds) * 1000);
    const isStretch = link.closest(".hours") !== null;
    t.mark = offset > onset && !isStretch ? [onset, offset] : null;
    t.find(".mark").hidden = true;
    look(t, isStretch ? placed(t.view, onset, offset - onset) : showing(t.view, onset, offset));
    seek(t, onset, false);
    t.find(".tools").scrollIntoView({ block: "nearest" });
  });
}
