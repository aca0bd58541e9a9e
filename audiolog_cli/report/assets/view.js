/* The part of the recording that is shown: {from, to, duration} in milliseconds. Each function returns a new one. */

const SHORTEST = 200; // ms

function placed(view, from, span) {
  const width = Math.min(view.duration, Math.max(Math.min(SHORTEST, view.duration), span));
  const start = Math.min(Math.max(0, from), view.duration - width);
  return { from: start, to: start + width, duration: view.duration };
}

const whole = (view) => placed(view, 0, view.duration);

/** Make the shown time `factor` times as long, with `fixed` ms staying where it is on the screen. */
function zoomed(view, factor, fixed) {
  const span = view.to - view.from;
  const width = Math.min(view.duration, Math.max(SHORTEST, span * factor));
  return placed(view, fixed - ((fixed - view.from) / span) * width, width);
}

const moved = (view, ms) => placed(view, view.from + ms, view.to - view.from);

/** The same length of time, moved only if [onset, offset] is outside of it or too small to be seen. */
function showing(view, onset, offset) {
  const span = view.to - view.from;
  const length = offset - onset;
  if (length > span) return placed(view, onset - 0.1 * length, 1.2 * length);
  if (length && length < span / 200) return placed(view, onset - 10 * length, 21 * length);
  if (onset >= view.from + 0.03 * span && offset <= view.to - 0.03 * span) return view;
  return placed(view, (onset + offset - span) / 2, span);
}
