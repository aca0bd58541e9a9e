/* The lists around the timeline: the labels to choose from, and what is shown as a table. */

const MOST_ROWS = 200;

const made = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

/** A checkbox for each track; `changed` is called when one is set or cleared. */
function fillChoices(list, tracks, changed) {
  for (const track of tracks) {
    const box = made("input", { type: "checkbox", checked: true, autocomplete: "off" });
    box.addEventListener("change", () => {
      track.isHidden = !box.checked;
      changed();
    });
    list.append(made("li", {}, made("label", {}, box, " ", track.label)));
    track.box = box;
  }
}

/** Show only the choices whose label has `text` in it. */
function findChoices(list, text) {
  for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(text.trim().toLowerCase());
}

/** Set or clear every choice that is not hidden by the search. */
function setChoices(list, tracks, isShown) {
  [...list.children].forEach((item, i) => {
    if (item.hidden) return;
    tracks[i].isHidden = !isShown;
    tracks[i].box.checked = isShown;
  });
}

/** The table of what is in the view, the first 200 runs of it. */
function fillTable(table, view, tracks, clock, least) {
  const runs = tracks.flatMap((track) => runsIn(track, view.from, view.to, least, MOST_ROWS + 1));
  runs.sort((a, b) => a.onset - b.onset || a.offset - b.offset);
  const more = runs.length > MOST_ROWS ? `, the first ${MOST_ROWS}; zoom in for the others` : "";
  table.caption.textContent = `${told(clock, view.from)} to ${told(clock, view.to)}${more}`;
  table.tBodies[0].replaceChildren(...runs.slice(0, MOST_ROWS).map((run) => tableRow(run, clock)));
}

function tableRow({ track, onset, offset, score }, clock) {
  const link = made("a", { href: `#t=${onset / 1000},${offset / 1000}` }, told(clock, onset));
  const texts = [told(clock, offset), track.label, (score / 100).toFixed(2)];
  return made("tr", {}, made("td", {}, link), ...texts.map((text) => made("td", {}, text)));
}
