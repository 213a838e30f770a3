// What a reader can do with the page: choose, sort, point at values, save figures and tables.
// Without it the page says the same. It reckons nothing: values come from the embedded data.
"use strict";
(async () => {
  // Of a large page a part comes packed, with the data; it is put where it belongs before all else.
  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const found = JSON.parse(await new Response(inflated).text());
    const places = document.querySelectorAll("[data-packed]");
    found.parts.forEach((html, number) => { places[number].outerHTML = html; });
    return found.data;
  }

  const packed = document.getElementById("packed");
  const data = packed ? await unpacked(packed) : JSON.parse(document.getElementById("data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function make(name, attributes = {}, ...children) {
    const element = Object.assign(document.createElement(name), attributes);
    element.append(...children);
    return element;
  }

  // ── choosing learner, D_F, unit and order ──────────────────────────────────────────────────

  const chosen = {};

  const symbol = (letter) => make("span", {}, "D", make("sub", {}, letter));

  function chooser(label, values, first, act) {
    const options = values.map((value) => make("option", { value, textContent: value }));
    const select = make("select", {}, make("option", { value: "", textContent: first }), ...options);
    select.addEventListener("change", () => act(select.value));
    return make("label", {}, label, select);
  }

  function fits(element) {
    return data.choices[element.dataset.choice].every(([key, value]) =>
      chosen[key] ? chosen[key] === value : key !== "D_F" || "chosen" in element.dataset,
    );
  }

  function showChosen() {
    for (const element of all("[data-choice]")) {
      element.hidden = !fits(element);
      if (element.tagName === "DETAILS" && !element.hidden) element.open = true;
    }
  }

  function addControls() {
    const first = document.querySelector("details.matrix-table[data-choice]");
    if (!first) return;
    const bar = make("div", { className: "controls" });
    for (const [key, any] of [["learner", "all"], ["D_F", "fewest bounds"]]) {
      const pairs = data.choices.flat().filter(([name]) => name === key);
      const values = [...new Set(pairs.map(([, value]) => value))];
      const act = (value) => { chosen[key] = value; showChosen(); };
      if (values.length > 1) bar.append(chooser(key === "D_F" ? symbol("F") : key, values, any, act));
    }
    bar.append(chooser("unit", ["B", "kB", "MB", "GB"], "as it fits", showUnit));
    const orders = data.tables[first.querySelector("table").id].orders || [];
    const named = [...orders.map(([name]) => name), "by worth", "by name"];
    bar.append(chooser("order", named, orders.length ? "by likeness" : "as in the study", reorder));
    first.parentElement.before(bar);
    showChosen();
  }

  // ── sizes ──────────────────────────────────────────────────────────────────────────────────

  const POWERS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

  function size(count, unit) {
    const scaled = count / POWERS[unit];
    const digits = scaled === 0 ? 0 : 2 - Math.floor(Math.log10(Math.abs(scaled)) + 1e-9);
    const text = scaled.toFixed(unit === "B" ? 0 : Math.min(9, Math.max(0, digits)));
    const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
    return (/^-0?$/.test(short) ? "0" : short.replace("-", "−")) + "\u00a0" + unit;
  }

  function range([low, high], unit) {
    if (low === null && high === null) return "any";
    if (low === null || high === null) return low === null ? `≤ ${size(high, unit)}` : `≥ ${size(low, unit)}`;
    const first = size(low, unit).split("\u00a0")[0];
    return `${first}${low < 0 || high < 0 ? " to " : "–"}${size(high, unit)}`;
  }

  // Rows and cells keep the number they were written with, wherever they are moved to.
  for (const row of all("tr")) {
    row.number = row.sectionRowIndex;
    [...row.cells].forEach((cell, place) => { cell.place = place; });
  }

  // Columns whose numbers stand in the cells as they are have no values of their own.
  for (const [id, { values }] of Object.entries(data.tables)) {
    const rows = [...document.getElementById(id).tBodies[0].rows];
    for (const [place, found] of Object.entries(values)) {
      if (found !== "text") continue;
      const number = (text) => (text === "–" ? null : Number(text));
      values[place] = rows.map((row) => number(row.cells[place].textContent));
    }
  }

  function showUnit(unit) {
    for (const table of all("#answer table, #table-estimates")) {
      const { columns, values, ends } = data.tables[table.id];
      for (const cell of all("td", table)) {
        if (columns[cell.place][1] !== "bytes" || !values[cell.place]) continue;
        const value = values[cell.place][cell.parentElement.number];
        if (value === null) continue;
        cell.asItFits ??= [...cell.childNodes].map((node) => node.cloneNode(true));
        cell.replaceChildren(...cell.asItFits.map((node) => node.cloneNode(true)));
        if (!unit) continue;
        const mark = /^[≥≤~] /.exec(cell.textContent);
        cell.firstChild.data = (mark ? mark[0] : "") + size(value, unit);
        const detail = cell.querySelector("small");
        const around = ends[cell.place] && ends[cell.place][cell.parentElement.number];
        if (detail && around) detail.textContent = range(around, unit);
      }
    }
  }

  // ── sorting ────────────────────────────────────────────────────────────────────────────────

  const sortValue = (table, row, place) => {
    const known = data.tables[table.id].values[place];
    const cell = [...row.cells].find((one) => one.place === place);
    return known ? known[row.number] : cell.textContent;
  };

  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" ? b - a : String(a).localeCompare(String(b));
  };

  function sortRows(table, place, isReversed) {
    const way = isReversed ? -1 : 1;
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [sortValue(table, row, place), row]);
    keyed.sort(([a], [b]) => (a === null || b === null ? 1 : way) * compare(a, b));
    body.append(...keyed.map(([, row]) => row));
  }

  function place(table, rows, columns) {
    const body = table.tBodies[0];
    const byNumber = new Map([...body.rows].map((row) => [row.number, row]));
    body.append(...rows.map((number) => byNumber.get(number)));
    for (const row of [table.tHead.rows[0], ...body.rows]) {
      const byPlace = new Map([...row.cells].map((cell) => [cell.place, cell]));
      row.append(...columns.map((number) => byPlace.get(number + 1)));
    }
    for (const head of all("th[aria-sort]", table)) head.removeAttribute("aria-sort");
  }

  function reorder(name) {
    for (const table of all("table.matrix")) {
      const { columns, values, orders = [] } = data.tables[table.id];
      const rows = [...table.tBodies[0].rows].map((row) => row.number).sort((a, b) => a - b);
      const titles = columns.slice(1).map(([title]) => title);
      const places = titles.map((_, number) => number);
      const found = orders.find(([order]) => order === name);
      if (found) place(table, found[1], found[2]);
      else if (name === "by worth") {
        const middle = (list) => {
          const known = list.filter((value) => value !== null && value !== undefined);
          return known.sort((a, b) => a - b)[Math.floor(known.length / 2)] ?? null;
        };
        const column = (number) => values[number + 1] || [];
        const ofRow = rows.map((row) => middle(places.map((number) => column(number)[row])));
        const ofColumn = places.map((number) => middle([...column(number)]));
        place(
          table,
          rows.sort((a, b) => compare(ofRow[a], ofRow[b])),
          places.sort((a, b) => compare(ofColumn[a], ofColumn[b])),
        );
      } else if (name === "by name") {
        const heads = new Map([...table.tBodies[0].rows].map((row) => [row.number, row.cells[0].textContent]));
        place(
          table,
          rows.sort((a, b) => heads.get(a).localeCompare(heads.get(b))),
          places.sort((a, b) => titles[a].localeCompare(titles[b])),
        );
      } else place(table, rows, places);
    }
  }

  function addSorting(table) {
    [...table.tHead.rows[0].cells].forEach((head, number) => {
      const button = make("button", { type: "button" });
      const unit = head.querySelector("small");
      button.append(...[...head.childNodes].filter((node) => node !== unit));
      head.prepend(button);
      button.addEventListener("click", () => {
        const isReversed = head.getAttribute("aria-sort") === "descending";
        for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isReversed ? "ascending" : "descending");
        sortRows(table, number, isReversed);
      });
    });
  }

  // ── saving ─────────────────────────────────────────────────────────────────────────────────

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
    picture.append(draw("title", {}, data.tables[table.id].caption), hatch, draw("rect", { width, height, fill: paper }));
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
      picture.append(draw("text", { ...middle, y, "font-size": size }, text));
      if (detail) picture.append(draw("text", { ...middle, y: y + size, "font-size": size * 0.75 }, detail));
    }
    return new XMLSerializer().serializeToString(picture);
  }

  // What stands in a cell, in the unit the page was written with: the text, and its detail.
  function written(row, number, isAsShown = false) {
    const cell = [...row.cells].find((one) => one.place === number);
    const nodes = (!isAsShown && cell.asItFits) || [...cell.childNodes];
    const text = (isDetail) => {
      const found = nodes.filter((node) => (node.nodeName === "SMALL") === isDetail);
      return found.map((node) => node.textContent).join("").replaceAll("\u00a0", " ").trim();
    };
    return [text(false), text(true)];
  }

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
      const marks = rows.map((row) => ({ "≥": "at least", "≤": "at most" })[shown(row, number)[0]] || "");
      if (marks.some(Boolean)) found.push([`${title} bound`, marks]);
      if (ends[number]) {
        const end = (place) => rows.map((row) => (ends[number][row.number] || [])[place] ?? "");
        found.push([`${title} low`, end(0)], [`${title} high`, end(1)]);
      }
      return found;
    });
  }

  function csv(table) {
    const columns = savedColumns(table);
    const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    const count = table.tBodies[0].rows.length;
    const lines = [columns.map(([head]) => quoted(head))];
    for (let row = 0; row < count; row += 1) lines.push(columns.map(([, cells]) => quoted(cells[row])));
    return lines.map((line) => line.join(",") + "\r\n").join("");
  }

  const TEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%",
    "_": "\\_", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "≥": "$\\geq$", "≤": "$\\leq$",
    "−": "$-$", "–": "--", "…": "\\dots{}", "×": "$\\times$", "→": "$\\rightarrow$", "±": "$\\pm$", "α": "$\\alpha$",
  };

  const tex = (text) =>
    text.replace(/[\\{}$&#%_~^≥≤−–…×→±α]/g, (found) => TEX[found]).replace(/\bD\\_([FET])\b/g, "$D_{\\mathrm{$1}}$");

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

  // ── pointing ───────────────────────────────────────────────────────────────────────────────

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
    const table = cell.closest("table");
    const { columns, ends, caption } = data.tables[table.id];
    const around = ends[cell.place] && ends[cell.place][cell.parentElement.number];
    if (!around) return "";
    const biggest = Math.max(...around.map((end) => Math.abs(end || 0)));
    const unit = ["GB", "MB", "kB", "B"].find((one) => biggest >= POWERS[one]) || "B";
    const source = cell.parentElement.cells[0].textContent;
    return `${source} → ${columns[cell.place][0]}, ${caption}: ${cell.firstChild.textContent} (${range(around, unit)})`;
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

  // ── a page that is served while its study runs ─────────────────────────────────────────────

  async function follow() {
    const version = async () => (await fetch("version")).text();
    const first = await version();
    const look = async () => {
      try {
        if ((await version()) !== first) location.reload();
      } catch {
        document.querySelector(".subtitle").append(" (no longer served)");
        clearInterval(timer);
      }
    };
    const timer = setInterval(look, 2000);
  }

  addControls();
  addButtons();
  if ("live" in document.documentElement.dataset) follow();
  window.bytetransfer = { csv, latex, svgText, matrixSvg }; // what a test may ask for
})();
