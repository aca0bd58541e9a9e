/* Unpacks tracks (see packing.py) and finds cells in them. Times are milliseconds, scores hundredths. */

const OVERVIEW_CELL = 16000; // ms: when whole days are shown, means over this stand for the cells

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** {kind, label, onsets, offsets, scores} with one entry per cell. */
function unpack({ kind, label, cells }, cell) {
  const bytes = bytesOf(cells);
  const onsets = new Float64Array(bytes.length); // every cell has a byte, so there are at most so many
  const offsets = new Float64Array(bytes.length);
  const scores = new Uint8Array(bytes.length);
  let at = 0, n = 0, time = 0;
  const varint = () => {
    let value = 0, scale = 1, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    const pause = varint();
    time += pause % 2 ? (pause - 1) / 2 : (pause / 2) * cell;
    const length = varint();
    const [count, step] = length % 2 ? [1, (length - 1) / 2] : [length / 2, cell];
    for (let i = 0; i < count; i++) {
      onsets[n] = time;
      offsets[n] = time += step;
      scores[n++] = bytes[at++];
    }
  }
  return { kind, label, onsets: onsets.slice(0, n), offsets: offsets.slice(0, n), scores: scores.slice(0, n) };
}

/** The first cell that ends after a time. */
function firstAfter(track, time) {
  let low = 0, high = track.offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track.offsets[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The cell at a time, or the nearest one within `reach` ms; -1 if there is none. */
function cellNear(track, time, reach, least) {
  const i = firstAfter(track, time - reach);
  let best = -1, distance = Infinity;
  for (let j = i; j < track.onsets.length && track.onsets[j] <= time + reach; j++) {
    if (track.scores[j] < least) continue;
    const away = Math.max(track.onsets[j] - time, time - track.offsets[j], 0);
    if (away < distance) [best, distance] = [j, away];
    if (!away && track.offsets[j] > time) return j;
  }
  return best;
}

/** The run of cells without a pause that holds cell i: [onset, offset]. */
function runAround(track, i) {
  let first = i, last = i;
  while (first > 0 && track.offsets[first - 1] === track.onsets[first]) first--;
  while (last + 1 < track.onsets.length && track.onsets[last + 1] === track.offsets[last]) last++;
  return [track.onsets[first], track.offsets[last]];
}

/** Up to `most` runs in [from, to): {track, onset, offset, score}. */
function runsIn(track, from, to, least, most) {
  const runs = [];
  for (let i = firstAfter(track, from); i < track.onsets.length && track.onsets[i] < to; i++) {
    if (track.scores[i] < least) continue;
    const last = runs[runs.length - 1];
    if (last && last.offset === track.onsets[i]) {
      last.offset = track.offsets[i];
      last.score = Math.max(last.score, track.scores[i]);
    } else {
      if (runs.length === most) break;
      runs.push({ track, onset: track.onsets[i], offset: track.offsets[i], score: track.scores[i] });
    }
  }
  return runs;
}

/** The stretches of [0, duration) that none of the tracks covers: [[from, to], ...]. */
function gapsBetween(tracks, duration) {
  const runs = tracks.flatMap((track) => runsIn(track, 0, duration, 0, Infinity)).sort((a, b) => a.onset - b.onset);
  const gaps = [];
  let end = 0;
  for (const run of [...runs, { onset: duration, offset: duration }]) {
    if (run.onset > end) gaps.push([end, run.onset]);
    end = Math.max(end, run.offset);
  }
  return gaps;
}

/** How much of each of `n` columns over [from, to) a track covers (0..1), and its highest score there. */
function columnsOf(track, from, to, n, least) {
  const covered = new Float32Array(n);
  const peak = new Uint8Array(n);
  const { onsets, offsets, scores } = track;
  const perMs = n / (to - from);
  for (let i = firstAfter(track, from); i < onsets.length && onsets[i] < to; i++) {
    if (scores[i] < least) continue;
    let start = Math.max(0, (onsets[i] - from) * perMs);
    const end = Math.min(n, (offsets[i] - from) * perMs);
    for (let x = Math.floor(start); x < n && start < end; x++) {
      const stop = Math.min(end, x + 1);
      covered[x] += stop - start;
      if (scores[i] > peak[x]) peak[x] = scores[i];
      start = stop;
    }
  }
  return { covered, peak };
}

/** The columns of a whole recording in steps of 16 s, kept with the track: drawing a day does not touch every cell. */
function coarse(track, duration, least) {
  if (track.coarse?.least !== least) {
    const n = Math.max(1, Math.ceil(duration / OVERVIEW_CELL));
    track.coarse = { least, ...columnsOf(track, 0, n * OVERVIEW_CELL, n, least) };
  }
  return track.coarse;
}
