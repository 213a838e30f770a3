// Pointing at a mark or a cell says its value.

const notes = new WeakMap(); // figure: its marks with their places and what they say
const REACH = 18;
let marked = null;
const tip = make("div", { id: "tip", hidden: true });
tip.setAttribute("role", "status");
document.body.append(tip);

// The browser's own slow tooltips would come on top of this one, so notes are taken out.
function marksOf(figure) {
  if (!notes.has(figure)) {
    const found = all("use", figure).filter((use) => use.firstElementChild).map((use) => {
      const text = use.firstElementChild.textContent;
      use.firstElementChild.remove();
      return { use, text, x: Number(use.getAttribute("x")), y: Number(use.getAttribute("y")) };
    });
    notes.set(figure, found);
  }
  return notes.get(figure);
}

function restoreNotes(figure, copy) {
  const marks = all("use", copy);
  const originals = all("use", figure);
  for (const { use, text } of notes.get(figure) || []) {
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = text;
    marks[originals.indexOf(use)].append(title);
  }
}

function nearest(figure, event) {
  const box = figure.getBoundingClientRect();
  const scale = figure.viewBox.baseVal.width / box.width;
  const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  const distance = (mark) => Math.hypot(mark.x - x, mark.y - y);
  const best = marksOf(figure).reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
  return best && distance(best) < REACH ? best : null;
}

function cellNote(cell) {
  const { columns, caption } = data.tables[cell.closest("table").id];
  const ends = shownEnds(cell);
  if (!ends) return "";
  const source = cellAt(cell.parentElement, 0).textContent;
  const unit = unitShown === CONTENT ? ` in bytes of ${content.reference}` : "";
  const worth = `${cell.firstChild.textContent} (${range(ends, widest(ends))})${unit}`;
  return `${source} → ${columns[cell.place][0]}, ${caption}: ${worth}`;
}

function point(event) {
  const figure = event.target.closest && event.target.closest("svg.chart");
  const cell = event.target.closest && event.target.closest("table.matrix td");
  const mark = figure && nearest(figure, event);
  const text = mark ? mark.text : (cell && cellNote(cell)) || "";
  const now = mark ? mark.use : cell;
  if (marked && marked !== now) marked.classList.remove("at");
  marked = text ? now : null;
  if (marked) marked.classList.add("at");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const { offsetWidth, offsetHeight } = tip;
  const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - offsetWidth - 6);
  const top = event.clientY + 18 + offsetHeight > innerHeight ? event.clientY - offsetHeight - 12 : event.clientY + 18;
  tip.style.left = `${Math.max(6, left)}px`;
  tip.style.top = `${top}px`;
}

document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
