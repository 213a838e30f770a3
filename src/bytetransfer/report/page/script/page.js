// What all parts of the script work with: the embedded data, and rows and cells by number.

const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function make(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
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

const cellAt = (row, place) => [...row.cells].find((one) => one.place === place);

// What a number cell stands for in bytes of its target, and the ends of its interval.
function valueOf(cell) {
  const { values } = data.tables[cell.closest("table").id];
  const column = values[cell.place];
  return column ? column[cell.parentElement.number] : null;
}

function endsOf(cell) {
  const { ends } = data.tables[cell.closest("table").id];
  return (ends[cell.place] || [])[cell.parentElement.number] || null;
}
