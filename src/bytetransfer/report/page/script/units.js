// Sizes: each in the unit that fits it, in one unit, or as bytes of one language that say the same.

const POWERS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
const CONTENT = "content";
const content = JSON.parse(document.body.dataset.content || "null");
const unitNote = make("p", { className: "unit-note", hidden: true });
unitNote.setAttribute("role", "status");
let unitShown = "";

function size(count, unit) {
  const scaled = count / POWERS[unit];
  const digits = scaled === 0 ? 0 : 2 - Math.floor(Math.log10(Math.abs(scaled)) + 1e-9);
  const text = scaled.toFixed(unit === "B" ? 0 : Math.min(9, Math.max(0, digits)));
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return (/^-0?$/.test(short) ? "0" : short.replace("-", "−")) + "\u00a0" + unit;
}

const fitting = (count) => ["GB", "MB", "kB"].find((one) => Math.abs(count) >= POWERS[one]) || "B";

function range([low, high], unit) {
  if (low === null && high === null) return "any";
  if (low === null || high === null) return low === null ? `≤ ${size(high, unit)}` : `≥ ${size(low, unit)}`;
  const first = size(low, unit).split("\u00a0")[0];
  return `${first}${low < 0 || high < 0 ? " to " : "–"}${size(high, unit)}`;
}

const widest = (ends) => fitting(Math.max(...ends.map((end) => Math.abs(end || 0))));

// Bytes of the cell's target that hold the content of a byte of the reference; undefined if unknown.
function premiumOf(cell) {
  const table = cell.closest("table");
  const { columns } = data.tables[table.id];
  if (table.classList.contains("matrix")) return content.premiums[columns[cell.place][0]];
  const place = columns.findIndex(([title]) => title === "target");
  return content.premiums[cellAt(cell.parentElement, place).textContent];
}

// What a cell holds in the unit that is shown; undefined where that unit is not known for it.
function worthOf(cell) {
  const value = valueOf(cell);
  if (unitShown !== CONTENT || value === null) return value;
  const premium = premiumOf(cell);
  return premium && value / premium;
}

function shownEnds(cell) {
  const ends = endsOf(cell);
  if (unitShown !== CONTENT || !ends) return ends;
  const premium = premiumOf(cell);
  return premium ? ends.map((end) => (end === null ? null : end / premium)) : null;
}

function showUnit(unit) {
  unitShown = unit;
  for (const table of all("#answer table, #table-estimates")) {
    const { columns } = data.tables[table.id];
    const cells = all("td", table).filter((cell) => columns[cell.place][1] === "bytes");
    for (const cell of cells) if (valueOf(cell) !== null) showSize(cell);
    if (table.classList.contains("matrix")) recolour(table, cells);
  }
  unitNote.hidden = unit !== CONTENT;
  unitNote.textContent = unit === CONTENT ? contentWords() : "";
}

function showSize(cell) {
  cell.asItFits ??= [...cell.childNodes].map((node) => node.cloneNode(true));
  cell.replaceChildren(...cell.asItFits.map((node) => node.cloneNode(true)));
  if (!unitShown) return;
  const worth = worthOf(cell);
  if (worth === undefined) {
    cell.replaceChildren("–");
    return;
  }
  const mark = /^[≥≤~] /.exec(cell.textContent);
  const isContent = unitShown === CONTENT;
  cell.firstChild.data = (mark ? mark[0] : "") + size(worth, isContent ? fitting(worth) : unitShown);
  const [detail, ends] = [cell.querySelector("small"), shownEnds(cell)];
  if (detail && ends) detail.textContent = range(ends, isContent ? widest(ends) : unitShown);
}

function contentWords() {
  const said = Object.entries(content.premiums).map(([name, premium]) => `${name} ${premium.toFixed(2)}`);
  const unknown = content.unknown.length ? ` Not known for ${content.unknown.join(", ")}.` : "";
  return (
    `Bytes of ${content.reference} that say the same: bytes of the target, divided by those it needs for ` +
    `a byte of ${content.reference} (${said.join(", ")}), by lines that stand in all of them. ` +
    `The error of these ratios is not in the intervals.${unknown}`
  );
}

// ── colours follow the unit: what is more in bytes may be less in content ──────────────────────

const STEPS = 5;

function recolour(table, cells) {
  const { columns } = data.tables[table.id];
  const isOwn = (cell) => {
    const [source, target] = [cellAt(cell.parentElement, 0).textContent, columns[cell.place][0]];
    return source === target || source.startsWith(`${target} (`);
  };
  const sizes = (some) => some.map((cell) => Math.abs(worthOf(cell) || 0));
  const largest = Math.max(0, ...sizes(cells.filter((cell) => !isOwn(cell)))) || Math.max(0, ...sizes(cells));
  const steps = new Set();
  for (const cell of cells) {
    cell.asShaded ??= (/(more|less)-\d/.exec(cell.className) || [""])[0];
    const way = cell.asShaded && worthOf(cell) !== undefined ? cell.asShaded.split("-")[0] : "";
    const down = way ? Math.floor(-2 * Math.log10(Math.abs(worthOf(cell)) / largest)) : 0;
    const step = Math.min(STEPS, Math.max(1, STEPS - down));
    cell.className = unitShown === CONTENT ? way && `${way}-${step}` : cell.asShaded;
    if (way) steps.add(way === "more" ? step : -step);
  }
  showKey(table.closest("details").querySelector(".key"), [...steps].sort((a, b) => a - b), largest);
}

function showKey(list, steps, largest) {
  if (!list) return;
  list.asItFits ??= [...list.children];
  const item = (step) => {
    const least = Math.sign(step) * largest * 10 ** ((Math.abs(step) - STEPS - 1) / 2);
    const className = `${step < 0 ? "less" : "more"}-${Math.abs(step)}`;
    return make("li", { className, textContent: size(least, fitting(least)) });
  };
  list.replaceChildren(...(unitShown === CONTENT ? [list.asItFits[0], ...steps.map(item)] : list.asItFits));
}
