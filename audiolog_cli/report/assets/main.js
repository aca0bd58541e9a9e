/* Builds the timeline of the recording that is shown, and keeps it in step with size, colours and print. */

const sections = [...document.querySelectorAll(".recording")];
const built = new Map();

function show(section) {
  for (const each of sections) each.hidden = each !== section;
  if (!built.has(section)) {
    const data = JSON.parse(section.querySelector(".data").textContent);
    built.set(section, data && timeline(section, data));
  }
  built.get(section)?.draw();
}

const forShown = (action) => built.forEach((state, section) => !section.hidden && state && action(state));

document.getElementById("selector")?.addEventListener("change", (event) => show(document.getElementById(event.target.value)));
new ResizeObserver(() => forShown((state) => state.draw())).observe(document.querySelector("main"));
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", () => forShown((state) => state.recolour()));
}
window.addEventListener("beforeprint", () => {
  document.documentElement.classList.add("on-paper");
  forShown((state) => (state.recolour(), showTable(state)));
});
window.addEventListener("afterprint", () => {
  document.documentElement.classList.remove("on-paper");
  forShown((state) => state.recolour());
});
show(sections[0]);
