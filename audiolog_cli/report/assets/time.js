/* Times as people read them: the clock's where it is known, else from the start of the recording. */

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** 1:05, 1:02:03, 0:05.25: from the start. */
function elapsed(ms, withMs = ms % 1000 !== 0) {
  const whole = Math.round(ms);
  const [hours, minutes, seconds] = [Math.floor(whole / 3600000), Math.floor(whole / 60000) % 60, Math.floor(whole / 1000) % 60];
  const fraction = withMs ? "." + pad(whole % 1000, 3).replace(/0+$/, "").padEnd(1, "0") : "";
  return (hours ? `${hours}:${pad(minutes)}` : minutes) + `:${pad(seconds)}${fraction}`;
}

/** The clock's point in force at a time: [onset, wall, zone], or undefined where no clock is known. */
function pointAt(clock, ms) {
  let found = clock[0];
  for (const point of clock) if (point[0] <= ms) found = point;
  return found;
}

/** What the clock shows, as a Date that is read in UTC. */
function wallAt(clock, ms) {
  const [onset, wall] = pointAt(clock, ms);
  return new Date(wall + ms - onset);
}

/** 06:00:05, or 06:00:05.250 */
function clockTime(clock, ms, withMs = ms % 1000 !== 0) {
  return wallAt(clock, Math.round(ms)).toISOString().slice(11, withMs ? 23 : 19);
}

/** The time that stands first everywhere. */
const told = (clock, ms) => (clock.length ? clockTime(clock, ms) : elapsed(ms));

/** What the view shows, with dates where it goes over midnight. */
function windowText(clock, from, to) {
  const unit = to - from < 10000 ? 10 : 1000; // ms
  const edges = [from, to].map((ms) => Math.round(ms / unit) * unit);
  const [start, end] = edges.map((ms) => told(clock, ms));
  if (!clock.length) return `${start} – ${end}`;
  const [first, last] = edges.map((ms) => wallAt(clock, ms).toISOString().slice(0, 10));
  return first === last ? `${start} – ${end}` : `${first} ${start} – ${last} ${end}`;
}

/** Both times, for the tooltip. */
function bothTimes(clock, from, to) {
  const span = (one) => (from === to ? one(from) : `${one(from)}–${one(to)}`);
  const plain = span((ms) => elapsed(ms));
  if (!clock.length) return [plain];
  const zone = pointAt(clock, from)[2];
  return [span((ms) => clockTime(clock, ms)) + (zone ? ` ${zone}` : ""), `${plain} into the recording`];
}

const STEPS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];

/** Round times for a ruler, at least `apart` ms from each other: {at, text, isDay}. */
function ticks(clock, from, to, apart) {
  const week = STEPS[STEPS.length - 1];
  const step = STEPS.find((each) => each >= apart) ?? Math.ceil(apart / week) * week;
  const begins = [from, ...clock.map(([onset]) => onset).filter((onset) => from < onset && onset <= to)]; // of other zones
  return begins.flatMap((begin, i) => {
    const shift = clock.length ? wallAt(clock, begin).getTime() - begin : 0; // wall time minus position
    const found = [];
    for (let at = Math.ceil((begin + shift) / step) * step - shift; at <= to && at < (begins[i + 1] ?? Infinity); at += step) {
      found.push({ at, ...tickText(clock, at, step) });
    }
    return found;
  });
}

function tickText(clock, at, step) {
  if (!clock.length) return { text: elapsed(at, step < 1000), isDay: false };
  const text = wallAt(clock, Math.round(at)).toISOString();
  if (text.slice(11, 23) === "00:00:00.000" && step >= 60000) return { text: text.slice(0, 10), isDay: true };
  return { text: text.slice(11, step < 1000 ? 23 : step < 60000 ? 19 : 16), isDay: false };
}
