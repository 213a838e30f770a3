// Sorting tables, and ordering matrices.

const sortValue = (table, row, place) => {
  const known = data.tables[table.id].values[place];
  return known ? known[row.number] : cellAt(row, place).textContent;
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
    // Numbers come largest first, words by the alphabet; the second press turns either round.
    const ways = data.tables[table.id].values[number] ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const isReversed = head.getAttribute("aria-sort") === ways[0];
      for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ways[Number(isReversed)]);
      sortRows(table, number, isReversed);
    });
  });
}
