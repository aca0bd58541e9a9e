/* Draws rows onto a canvas. Colours come from the style sheet, so that light, dark and print have their own. */

const SCENE_COLOURS = 8;

function coloursOf(element) {
  const style = getComputedStyle(element);
  const of = (name) => style.getPropertyValue(name).trim();
  const scenes = Array.from({ length: SCENE_COLOURS }, (_, i) => of(`--scene-${i}`));
  return { ink: of("--ink"), muted: of("--muted"), line: of("--line"), hatch: of("--hatch"), event: of("--event"), wave: of("--wave"), panel: of("--panel"), scenes, font: style.fontFamily };
}

/** A context of the size of its element in the pixels of the screen; {context, scale, width, height}. */
function prepared(canvas, width, height) {
  const scale = Math.min(2, window.devicePixelRatio || 1);
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, columns, rows);
  return { context, scale, columns };
}

const opacity = (score) => 0.12 + 0.0088 * score;

/** One track in a row; with many cells to a pixel the shade says how much of it is covered. */
function drawTrack(surface, view, track, colour, top, height, least, shade = opacity) {
  const { context, columns } = surface;
  const first = firstAfter(track, view.from);
  const n = firstAfter(track, view.to) - first + 1;
  context.fillStyle = colour;
  if (n < columns / 2) drawCells(surface, view, track, first, top, height, least, shade);
  else drawColumns(surface, view, track, top, height, least, shade);
  context.globalAlpha = 1;
}

function drawCells({ context, columns }, view, track, first, top, height, least, shade) {
  const perMs = columns / (view.to - view.from);
  for (let i = first; i < track.onsets.length && track.onsets[i] < view.to; i++) {
    if (track.scores[i] < least) continue;
    const left = Math.round((track.onsets[i] - view.from) * perMs);
    const right = Math.round((track.offsets[i] - view.from) * perMs);
    context.globalAlpha = shade(track.scores[i]);
    context.fillRect(left, top, Math.max(1, right - left), height);
  }
}

function drawColumns({ context, columns }, view, track, top, height, least, shade) {
  const msPerColumn = (view.to - view.from) / columns;
  const isCoarse = msPerColumn >= OVERVIEW_CELL;
  const { covered, peak } = isCoarse ? coarse(track, view.duration, least) : columnsOf(track, view.from, view.to, columns, least);
  for (let x = 0; x < columns; x++) {
    const [start, end] = isCoarse ? [(view.from + x * msPerColumn) / OVERVIEW_CELL, (view.from + (x + 1) * msPerColumn) / OVERVIEW_CELL] : [x, x + 1];
    let share = 0, score = 0;
    const last = Math.min(covered.length, Math.max(Math.floor(start) + 1, Math.floor(end)));
    for (let i = Math.floor(start); i < last; i++) {
      share += covered[i] / (last - Math.floor(start));
      score = Math.max(score, peak[i]);
    }
    if (!score) continue;
    context.globalAlpha = shade(score) * (0.3 + 0.7 * Math.min(1, share)); // a short sound stays visible in a long day
    context.fillRect(x, top, 1, height);
  }
}

/** Round times on the ruler, and a line down all rows for each. */
function drawTicks(ruler, plot, view, clock, colours) {
  const { context, scale, columns } = ruler;
  const perMs = columns / (view.to - view.from);
  const line = Math.max(1, Math.round(scale / 2));
  const bottom = context.canvas.height;
  context.font = `${11 * scale}px ${colours.font}`;
  context.textBaseline = "middle";
  for (const tick of ticks(clock, view.from, view.to, (92 * scale) / perMs)) {
    const x = Math.round((tick.at - view.from) * perMs);
    context.fillStyle = plot.context.fillStyle = colours.line;
    plot.context.fillRect(x, 0, line, plot.context.canvas.height);
    context.fillStyle = colours.muted;
    context.fillRect(x, bottom - 5 * scale, line, 5 * scale);
    context.fillStyle = tick.isDay ? colours.ink : colours.muted;
    const width = context.measureText(tick.text).width;
    if (x + width + 4 * scale < columns) context.fillText(tick.text, x + 4 * scale, bottom / 2);
  }
}

/** What was not analysed, hatched from `top` to `bottom`. */
function drawGaps({ context, scale, columns }, view, gaps, colour, top, bottom) {
  const perMs = columns / (view.to - view.from);
  context.save();
  context.beginPath();
  for (const [from, to] of gaps) {
    if (to > view.from && from < view.to) context.rect((from - view.from) * perMs, top, (to - from) * perMs, bottom - top);
  }
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = scale;
  context.beginPath();
  for (let x = top - bottom; x < columns && gaps.length; x += 7 * scale) {
    context.moveTo(x, bottom);
    context.lineTo(x + bottom - top, top);
  }
  context.stroke();
  context.restore();
}

/** Loudness as a shape around the middle of its row; 60 dB from top to middle. */
function drawLevels({ context, columns }, view, levels, step, colour, top, height) {
  const perColumn = (view.to - view.from) / columns;
  context.fillStyle = colour;
  for (let x = 0; x < columns; x++) {
    const first = Math.floor((view.from + x * perColumn) / step);
    const last = Math.max(first + 1, Math.floor((view.from + (x + 1) * perColumn) / step));
    let level = -1;
    for (let i = first; i < last && i < levels.length; i++) level = Math.max(level, levels[i]);
    if (level < 0) break;
    const size = Math.max(1, height * Math.min(1, Math.max(0, (level / 2 - 40) / 60)));
    context.fillRect(x, top + (height - size) / 2, 1, size);
  }
}

/** The spectrogram as an image of its own, one pixel a point, from the panel's colour to the ink's. */
function paintedPicture(bytes, bands, colours) {
  const n = bytes.length / bands;
  const canvas = document.createElement("canvas");
  canvas.width = n;
  canvas.height = bands;
  const context = canvas.getContext("2d");
  const [paper, middle, ink] = [colours.panel, colours.event, colours.ink].map(rgb);
  const image = context.createImageData(n, bands);
  for (let column = 0; column < n; column++) {
    for (let band = 0; band < bands; band++) {
      const level = (bytes[column * bands + band] / 255) ** 1.6;
      const at = 4 * ((bands - 1 - band) * n + column);
      for (let i = 0; i < 3; i++) {
        image.data[at + i] = level < 0.5 ? paper[i] + 2 * level * (middle[i] - paper[i]) : middle[i] + (2 * level - 1) * (ink[i] - middle[i]);
      }
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** [red, green, blue] of any colour that CSS knows. */
function rgb(colour) {
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function drawPicture({ context, columns }, view, picture, step, top, height) {
  const [from, to] = [view.from / step, Math.min(picture.width, view.to / step)];
  if (to <= from) return;
  context.imageSmoothingEnabled = (view.to - view.from) / columns > step;
  context.drawImage(picture, from, 0, to - from, picture.height, 0, top, ((to - from) * step * columns) / (view.to - view.from), height);
}
