// Choosing learner, D_F, unit and order.

const chosen = {};

const symbol = (letter) => make("span", {}, "D", make("sub", {}, letter));

function chooser(label, values, first, act) {
  const option = (value, textContent = value) => make("option", { value, textContent });
  const options = values.map((value) => option(...[value].flat()));
  const select = make("select", {}, option("", first), ...options);
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
  const units = content ? [...Object.keys(POWERS), [CONTENT, `equal content, in ${content.reference}`]] : Object.keys(POWERS);
  bar.append(chooser("unit of bytes", units, "automatic", showUnit));
  const table = first.querySelector("table");
  const orders = data.tables[table.id].orders || [];
  const named = [...orders.map(([name]) => name), "by worth", "by name"];
  bar.append(chooser("order", named, table.dataset.order, reorder));
  first.parentElement.before(bar, unitNote);
  showChosen();
}
