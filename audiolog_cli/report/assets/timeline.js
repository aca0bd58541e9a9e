/* One recording's timeline: its rows, and what wheel, pointer, keys, filters and links do to it. */

const LANE = 22; // heights in CSS pixels
const RULER = 22;
const HEIGHTS = { scene: 26, levels: 44, picture: 96 };
const UNITS = [1000, 100, 10]; // ms: to what a pointer is read, the more the longer a pixel is
const NAMES = { scene: "Scene", levels: "Loudness", picture: "Spectrogram" };

/** Build the timeline into its section. Returns the state, with `draw` for when size or colours have changed. */
function timeline(section, data) {
  const fragment = document.getElementById("timeline-template").content.cloneNode(true);
  section.querySelector(".place").prepend(fragment);
  const find = (selector) => section.querySelector(selector);
  const t = {
    section, find, ...data,
    scenes: data.scenes.map((track) => unpack(track, data.cell)),
    events: data.events.map((track) => unpack(track, data.cell)),
    view: { from: 0, to: data.duration, duration: data.duration },
    audio: find("audio"), plot: find(".plot"), least: 0, lane: -1, cursor: 0,
  };
  t.gaps = t.scenes.length ? gapsBetween(t.scenes, t.duration) : []; // every second that was analysed has its scene
  if (data.strip) {
    t.levels = bytesOf(data.strip.levels);
    t.picture = bytesOf(data.strip.picture);
  }
  if (t.audio) find(".timeline").after(t.audio);
  find(".help").id = `help-${section.id}`;
  t.plot.setAttribute("aria-describedby", find(".help").id);
  t.draw = () => drawAll(t);
  t.recolour = () => recolour(t);
  layOut(t);
  for (const wire of [wireTools, wirePointer, wireOverview, wireKeys, wireSound, wireLinks]) wire(t);
  fillLegend(t);
  recolour(t);
  return t;
}

// Drawing

function layOut(t) {
  const kinds = [...(t.scenes.length ? ["scene"] : []), ...(t.levels ? ["levels"] : []), ...(t.picture?.length ? ["picture"] : [])];
  const fixed = kinds.map((kind) => ({ kind, height: HEIGHTS[kind], name: NAMES[kind] }));
  const lanes = t.events.filter((track) => !track.isHidden).map((track) => ({ kind: "lane", height: LANE, name: track.label, track }));
  t.rows = [...fixed, ...lanes];
  let top = 0;
  for (const row of t.rows) {
    row.top = top;
    top += row.height;
  }
  t.height = top;
  t.find(".names").replaceChildren(...t.rows.map((row) => nameOf(t, row)));
  const hidden = t.events.length - lanes.length;
  t.find(".filter-count").textContent = hidden ? `${lanes.length} of ${t.events.length} sounds` : `All sounds (${lanes.length})`;
}

function nameOf(t, row) {
  const item = made("li", { title: row.name });
  item.style.height = `${row.height}px`;
  if (!row.track) item.append(row.name);
  else {
    const button = made("button", { type: "button", title: `${row.name}: go to the next one` }, row.name);
    button.addEventListener("click", () => goToNext(t, row, 1));
    item.append(button);
  }
  return item;
}

function recolour(t) {
  t.colours = coloursOf(t.section);
  if (t.picture?.length) t.image = paintedPicture(t.picture, t.strip.bands, t.colours);
  t.draw();
}

function drawAll(t) {
  const canvas = t.find(".plot canvas");
  t.width = t.plot.clientWidth;
  if (!t.width) return;
  const surface = prepared(canvas, t.width, t.height);
  drawTicks(prepared(t.find(".ruler"), t.width, RULER), surface, t.view, t.clock, t.colours);
  for (const row of t.rows) drawRow(t, surface, row);
  drawGaps(surface, t.view, t.gaps, t.colours.hatch, 0, t.height * surface.scale);
  drawOverview(t);
  placeMarks(t);
  t.find(".window").textContent = windowText(t.clock, t.view.from, t.view.to);
  clearTimeout(t.later);
  t.later = setTimeout(() => t.find(".view").open && showTable(t), 200);
}

function drawRow(t, surface, row) {
  const [top, height] = [Math.round(row.top * surface.scale), Math.round(row.height * surface.scale)];
  const inset = Math.round(4 * surface.scale);
  surface.context.fillStyle = t.colours.line;
  if (row.top) surface.context.fillRect(0, top, surface.columns, 1);
  if (row.kind === "scene") drawScenes(t, surface, top + inset, height - 2 * inset);
  if (row.kind === "levels") drawLevels(surface, t.view, t.levels, t.strip.step, t.colours.wave, top + inset, height - 2 * inset);
  if (row.kind === "picture") drawPicture(surface, t.view, t.image, t.strip.pictureStep, top + 1, height - 1);
  if (row.kind === "lane") drawTrack(surface, t.view, row.track, t.colours.event, top + inset, height - 2 * inset + 1, t.least);
}

function drawScenes(t, surface, top, height) {
  t.scenes.forEach((track, i) => {
    drawTrack(surface, t.view, track, t.colours.scenes[i % SCENE_COLOURS], top, height, 0, (score) => 0.4 + 0.006 * score);
  });
  const perMs = surface.columns / (t.view.to - t.view.from);
  surface.context.textBaseline = "middle";
  surface.context.font = `${11 * surface.scale}px ${t.colours.font}`;
  surface.context.fillStyle = t.colours.ink;
  for (const run of t.scenes.flatMap((track) => runsIn(track, t.view.from, t.view.to, 0, 300))) {
    const left = (Math.max(run.onset, t.view.from) - t.view.from) * perMs;
    const right = (Math.min(run.offset, t.view.to) - t.view.from) * perMs;
    if (surface.context.measureText(run.track.label).width + 12 * surface.scale > right - left) continue;
    surface.context.fillText(run.track.label, left + 6 * surface.scale, top + height / 2);
  }
}

function drawOverview(t) {
  const strip = t.find(".overview");
  const all = whole(t.view);
  const surface = prepared(strip.querySelector("canvas"), t.width, 30);
  const { context, scale, columns } = surface;
  t.scenes.forEach((track, i) => drawTrack(surface, all, track, t.colours.scenes[i % SCENE_COLOURS], 25 * scale, 5 * scale, 0));
  const sums = new Float32Array(columns);
  for (const { track } of t.rows) {
    if (!track) continue;
    const { covered } = coarseOrFine(t, track, columns);
    for (let x = 0; x < columns; x++) sums[x] += covered[Math.floor((x * covered.length) / columns)];
  }
  const most = sums.reduce((a, b) => Math.max(a, b), 0) || 1;
  context.fillStyle = t.colours.wave;
  for (let x = 0; x < columns; x++) context.fillRect(x, (23 - (21 * sums[x]) / most) * scale, 1, ((21 * sums[x]) / most) * scale);
  const brush = strip.querySelector(".brush");
  brush.hidden = t.view.to - t.view.from === t.duration;
  brush.style.left = `${(100 * t.view.from) / t.duration}%`;
  brush.style.width = `${(100 * (t.view.to - t.view.from)) / t.duration}%`;
}

/** A track's coverage over the whole recording, kept until the least score or the width changes. */
function coarseOrFine(t, track, columns) {
  if (t.duration / columns >= OVERVIEW_CELL) return coarse(track, t.duration, t.least);
  if (track.fine?.least !== t.least || track.fine.covered.length !== columns) {
    track.fine = { least: t.least, ...columnsOf(track, 0, t.duration, columns, t.least) };
  }
  return track.fine;
}

function placeMarks(t) {
  const percent = (ms) => (100 * (ms - t.view.from)) / (t.view.to - t.view.from);
  const put = (element, from, to = from) => {
    element.hidden = to < t.view.from || from > t.view.to;
    element.style.left = `${percent(Math.max(from, t.view.from))}%`;
    if (to > from) element.style.width = `${percent(Math.min(to, t.view.to)) - percent(Math.max(from, t.view.from))}%`;
  };
  if (t.mark) put(t.find(".mark"), ...t.mark);
  if (t.isCursorSet) put(t.find(".cursor"), t.cursor);
  if (t.audio?.currentTime) put(t.find(".playhead"), t.audio.currentTime * 1000);
}

function fillLegend(t) {
  const chips = t.scenes.map((track, i) => {
    const colour = made("i", {});
    colour.style.background = `var(--scene-${i % SCENE_COLOURS})`;
    return made("span", {}, colour, track.label);
  });
  const scale = made("i", { className: "scale" });
  t.find(".legend").append(...chips, made("span", {}, scale, "score 0 to 1"));
}

function showTable(t) {
  const tracks = [...t.scenes, ...t.rows.filter((row) => row.track).map((row) => row.track)];
  fillTable(t.find(".view table"), t.view, tracks, t.clock, t.least);
}

function look(t, view) {
  t.view = view;
  cancelAnimationFrame(t.frame);
  t.frame = requestAnimationFrame(t.draw);
}

// What is at a place

/** The track and cell at a time in a row: {track, i}, or null. */
function heardAt(t, row, time, reach) {
  const tracks = row?.kind === "scene" ? t.scenes : row?.track ? [row.track] : [];
  for (const track of tracks) {
    const i = cellNear(track, time, row.track ? reach : 0, row.track ? t.least : 0);
    if (i >= 0) return { track, i };
  }
  return null;
}

/** What the tooltip says, line by line. */
function linesAt(t, row, time, reach) {
  const heard = heardAt(t, row, time, reach);
  if (heard) {
    const { track, i } = heard;
    const [from, to] = runAround(track, i);
    return [`${track.label}  ${(track.scores[i] / 100).toFixed(2)}`, ...bothTimes(t.clock, from, to)];
  }
  const unit = UNITS.find((each) => each * 2 <= (t.view.to - t.view.from) / t.width) ?? 1;
  const near = Math.round(time / unit) * unit;
  const lines = bothTimes(t.clock, near, near);
  if (row?.kind === "levels") {
    const level = t.levels[Math.floor(time / t.strip.step)];
    if (level !== undefined) return [`${(level / 2 - 100).toFixed(0)} dBFS`, ...lines];
  }
  if (t.gaps.some(([from, to]) => from <= time && time < to)) return ["not analysed", ...lines];
  return row?.track ? [row.name, "not heard here", ...lines] : lines;
}

function showTip(t, row, time, x, y) {
  const tip = t.find(".tip");
  const reach = (4 * (t.view.to - t.view.from)) / t.width;
  const [first, ...others] = linesAt(t, row, time, reach);
  tip.replaceChildren(made("b", {}, first), ...others.map((line) => made("span", {}, line)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - box.width - 8;
  tip.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  tip.style.top = `${y + 18 + box.height > window.innerHeight ? y - box.height - 10 : y + 18}px`;
  return [first, ...others].join(", ");
}

// Going to a time

function seek(t, time, isToPlay) {
  t.cursor = Math.min(Math.max(0, time), t.duration);
  t.isCursorSet = true;
  placeMarks(t);
  if (!t.audio) return;
  t.audio.currentTime = t.cursor / 1000;
  if (isToPlay) t.audio.play().catch((error) => (t.find(".spoken").textContent = `The sound cannot be played: ${error.message}`));
}

function togglePlay(t) {
  if (!t.audio) return;
  if (t.audio.paused) seek(t, t.cursor, true);
  else t.audio.pause();
}

/** Move the keyboard's time, and say what is there. */
function point(t, time) {
  seek(t, time, false);
  look(t, showing(t.view, t.cursor, t.cursor));
  tell(t);
}

function choose(t, by) {
  t.lane = Math.min(Math.max(0, t.lane + by), t.rows.length - 1);
  tell(t);
}

function tell(t) {
  const row = t.rows[t.lane];
  const box = t.plot.getBoundingClientRect();
  const x = box.left + ((t.cursor - t.view.from) / (t.view.to - t.view.from)) * t.width;
  const text = showTip(t, row, t.cursor, x, box.top + (row ? row.top + row.height / 2 : 0));
  t.find(".spoken").textContent = text;
  [...t.find(".names").children].forEach((item, i) => item.classList.toggle("chosen", i === t.lane));
}

/** The next or the previous run of a row's label; at the end it begins again. */
function goToNext(t, row, direction) {
  const tracks = row?.track ? [row.track] : row?.kind === "scene" ? t.scenes : [];
  const runs = tracks.flatMap((track) => runsIn(track, 0, t.duration, row.track ? t.least : 0, Infinity));
  const onsets = runs.map((run) => run.onset).sort((a, b) => a - b);
  if (!onsets.length) return;
  t.lane = t.rows.indexOf(row);
  const cursor = t.isCursorSet ? t.cursor : -1;
  const next = direction > 0 ? onsets.find((onset) => onset > cursor) ?? onsets[0] : onsets.findLast((onset) => onset < cursor) ?? onsets.at(-1);
  point(t, next);
}
