// Saving figures as SVG, tables as CSV and LaTeX.

function fileName(title, ending) {
  const words = title.normalize("NFKD").toLowerCase().match(/[a-z0-9]+/g) || ["untitled"];
  return words.join("-").slice(0, 60) + ending;
}

function save(content, name, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function svgText(figure) {
  const copy = figure.cloneNode(true);
  const [, , width, height] = figure.getAttribute("viewBox").split(" ");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("font-family", "system-ui, Liberation Sans, Arial, sans-serif");
  const marks = document.querySelector(".symbols defs").cloneNode(true);
  const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
  style.textContent = data.figureStyle;
  const page = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of [["width", "100%"], ["height", "100%"], ["fill", "#fff"]]) page.setAttribute(key, value);
  copy.querySelector("desc").after(style, marks, page);
  restoreNotes(figure, copy);
  return new XMLSerializer().serializeToString(copy);
}

// A heat map as it stands on the page, cell by cell.
function matrixSvg(table) {
  const SVG = "http://www.w3.org/2000/svg";
  const draw = (name, attributes, text = "") => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const frame = table.getBoundingClientRect();
  const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height)];
  const font = "system-ui, Liberation Sans, Arial, sans-serif";
  const picture = draw("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, "font-family": font });
  const hatch = draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse" });
  hatch.append(draw("path", { d: "M0 6L6 0", stroke: "#000", opacity: 0.14 }));
  const paper = getComputedStyle(document.body).backgroundColor;
  const unit = unitShown === CONTENT ? `, in bytes of ${content.reference} that say the same` : "";
  picture.append(draw("title", {}, data.tables[table.id].caption + unit), hatch, draw("rect", { width, height, fill: paper }));
  for (const cell of all("th, td", table)) {
    const box = cell.getBoundingClientRect();
    const style = getComputedStyle(cell);
    const place = { x: box.x - frame.x + 1, y: box.y - frame.y + 1, width: box.width - 2, height: box.height - 2 };
    const fills = [style.backgroundColor, ...(style.backgroundImage === "none" ? [] : ["url(#hatch)"])];
    picture.append(...fills.map((fill) => draw("rect", { ...place, fill })));
    const [text, detail] = written(cell.parentElement, cell.place, true);
    const middle = { x: place.x + place.width / 2, "text-anchor": "middle", fill: style.color };
    const size = parseFloat(style.fontSize);
    const y = place.y + place.height / 2 + (detail ? -1 : size / 3);
    const turn = style.writingMode === "horizontal-tb" ? {} : { transform: `rotate(-90 ${middle.x} ${y - size / 3})` };
    picture.append(draw("text", { ...middle, ...turn, y, "font-size": size }, text));
    if (detail) picture.append(draw("text", { ...middle, y: y + size, "font-size": size * 0.75 }, detail));
  }
  return new XMLSerializer().serializeToString(picture);
}

// What stands in a cell, in the unit the page was written with: the text, and its detail.
function written(row, number, isAsShown = false) {
  const cell = cellAt(row, number);
  const nodes = (!isAsShown && cell.asItFits) || [...cell.childNodes];
  const text = (isDetail) => {
    const found = nodes.filter((node) => (node.nodeName === "SMALL") === isDetail);
    return found.map((node) => node.textContent).join("").replaceAll("\u00a0", " ").trim();
  };
  return [text(false), text(true)];
}

const BOUNDS = { "≥": "at least", "≤": "at most", "≳": "about or above", "≲": "about or below" };

// What a cell is saved as, column by column: text, or a number with its bound and interval.
function savedColumns(table) {
  const { columns, values, ends } = data.tables[table.id];
  const rows = [...table.tBodies[0].rows];
  const shown = (row, number) => {
    const words = written(row, number).join(" ").trim();
    return words === "–" ? "" : words;
  };
  return columns.flatMap(([title, unit], number) => {
    const head = unit ? `${title} (${unit})` : title;
    if (!values[number]) return [[head, rows.map((row) => shown(row, number))]];
    const found = [[head, rows.map((row) => values[number][row.number] ?? "")]];
    const marks = rows.map((row) => BOUNDS[shown(row, number)[0]] || "");
    if (marks.some(Boolean)) found.push([`${title} bound`, marks]);
    if (ends[number]) {
      const end = (place) => rows.map((row) => (ends[number][row.number] || [])[place] ?? "");
      found.push([`${title} low`, end(0)], [`${title} high`, end(1)]);
    }
    return found;
  });
}

// Text that a spreadsheet would compute as a formula gets an apostrophe (csv_cells.py).
function asText(cell) {
  const isFormula = /^'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])/.test(cell);
  return isFormula && !/^[+-]?[0-9][0-9.,]*(?:e[+-]?[0-9]+)?(?: ?%)?$/i.test(cell) ? `'${cell}` : cell;
}

function csv(table) {
  const columns = savedColumns(table);
  const quoted = (value) => {
    const text = typeof value === "string" ? asText(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const count = table.tBodies[0].rows.length;
  const lines = [columns.map(([head]) => quoted(head))];
  for (let row = 0; row < count; row += 1) lines.push(columns.map(([, cells]) => quoted(cells[row])));
  return lines.map((line) => line.join(",") + "\r\n").join("");
}

const TEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%",
  "_": "\\_", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "≥": "$\\geq$", "≤": "$\\leq$",
  "≳": "$\\sim\\geq$", "≲": "$\\sim\\leq$",
  "−": "$-$", "–": "--", "…": "\\dots{}", "×": "$\\times$", "→": "$\\rightarrow$", "±": "$\\pm$", "α": "$\\alpha$",
};

const tex = (text) =>
  text.replace(/[\\{}$&#%_~^≥≤≳≲−–…×→±α]/g, (found) => TEX[found]).replace(/\bD\\_([FET])\b/g, "$D_{\\mathrm{$1}}$");

function latex(table) {
  const { caption, columns, values } = data.tables[table.id];
  const row = (cells) => `  ${cells.map(tex).join(" & ")} \\\\\n`;
  const heads = columns.map(([title, unit]) => (unit && unit !== "bytes" ? `${title} (${unit})` : title));
  const body = [...table.tBodies[0].rows].map((one) =>
    row(columns.map((_, number) => {
      const [text, detail] = written(one, number);
      return detail ? `${text} (${detail})` : text;
    })),
  );
  const align = columns.map((_, number) => (values[number] ? "r" : "l")).join("");
  return (
    `\\begin{table}\n  \\centering\n  \\small\n  \\caption{${tex(caption)}}\n  \\begin{tabular}{${align}}\n  \\toprule\n` +
    `${row(heads)}  \\midrule\n${body.join("")}  \\bottomrule\n  \\end{tabular}\n\\end{table}\n`
  );
}

function addButtons() {
  const button = (text, label, act) => {
    const found = make("button", { type: "button", textContent: text, title: label });
    found.setAttribute("aria-label", label);
    found.addEventListener("click", act);
    return found;
  };
  for (const figure of all("figure")) {
    const title = figure.querySelector("figcaption").textContent;
    const act = () => save(svgText(figure.querySelector("svg")), fileName(title, ".svg"), "image/svg+xml");
    figure.querySelector("figcaption").append(button("SVG", `Save as SVG: ${title}`, act));
  }
  for (const table of all("table")) {
    const { caption } = data.tables[table.id];
    const csvAct = () => save(csv(table), fileName(caption, ".csv"), "text/csv");
    const texAct = () => save(latex(table), fileName(caption, ".tex"), "text/x-tex");
    const buttons = [
      button("CSV", `Save as CSV: ${caption}`, csvAct),
      button("LaTeX", `Save as LaTeX: ${caption}`, texAct),
    ];
    if (table.classList.contains("matrix")) {
      const act = () => save(matrixSvg(table), fileName(caption, ".svg"), "image/svg+xml");
      buttons.unshift(button("SVG", `Save as SVG: ${caption}`, act));
    }
    table.closest(".scroll").before(make("div", { className: "save" }, ...buttons));
    addSorting(table);
  }
}
