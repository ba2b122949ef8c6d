// A table that sorts, filters and pages. Only the rows of one page are elements, so a hundred thousand cost no more than fifty.

const PAGE_SIZES = [10, 25, 50, 100, 500];
let tablesMade = 0;

/**
 * Put a table of `rows` into `place`. `columns` are { title, name or measure, cell(row, td), isNumber, isHead };
 * `searched` names what the filter looks in, none for no filter; `details(row)` gives [name, text] pairs to unfold.
 */
function pagedTable(place, rows, { caption, columns, searched, details, sortBy, pageSize = 10, hint }) {
  const state = { order: [], query: "", at: 0, size: pageSize, sort: sortBy ?? 0, isDescending: true, accepts: null };
  const number = (tablesMade += 1);
  const body = element("tbody");
  const words = element("span", "", { id: `shown-${number}` });
  words.setAttribute("role", "status");
  const heads = columns.map((column, at) => headOf(column, () => sortOn(at)));

  function sortOn(at) {
    state.isDescending = state.sort === at ? !state.isDescending : Boolean(columns[at].isNumber);
    state.sort = at;
    arrange();
  }

  function arrange() {
    const found = searched || state.accepts ? matching(rows, searched ?? [], state.query, state.accepts) : everyRow(rows.count);
    state.order = sorted(found, keysOf(columns[state.sort]), state.isDescending);
    state.at = 0;
    heads.forEach((head, at) => {
      if (at === state.sort) head.setAttribute("aria-sort", state.isDescending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    show();
  }

  const known = new Map();
  function keysOf(column) {
    if (!known.has(column)) known.set(column, sortKeys(rows, column));
    return known.get(column);
  }

  function show() {
    const { order, at, size } = state;
    body.replaceChildren(...Array.from(order.slice(at, at + size), (row) => bodyRow(row)));
    if (!order.length) body.append(element("tr"));
    if (!order.length) body.firstChild.append(element("td", "Nothing matches", { colSpan: columns.length + (details ? 1 : 0) }));
    const last = Math.min(at + size, order.length);
    const of = order.length === rows.count ? "" : `, of ${countText(rows.count)}`;
    words.textContent = order.length ? `${countText(at + 1)}\u2013${countText(last)} of ${countText(order.length)}${of}` : `0${of}`;
    turns.forEach(([button, target]) => (button.disabled = target() === at));
  }

  function bodyRow(row) {
    const line = element("tr");
    if (details) line.append(element("td"));
    for (const column of columns) {
      const cell = element(column.isHead ? "th" : "td", null, { className: kindOf(column) });
      if (column.isHead) cell.scope = "row";
      column.cell(row, cell);
      line.append(cell);
    }
    if (details) line.firstChild.append(unfolding(line, row));
    return line;
  }

  function unfolding(line, row) {
    const button = element("button", "+", { type: "button", className: "open" });
    button.setAttribute("aria-label", `Details of ${line.querySelector("th").textContent}`);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      button.textContent = isOpen ? "+" : "\u2212";
      if (isOpen) line.nextSibling.remove();
      else line.after(unfolded(details(row), columns.length + 1));
    });
    return button;
  }

  const lastPage = () => Math.max(0, Math.floor((state.order.length - 1) / state.size) * state.size);
  const turns = [
    ["First", () => 0],
    ["Previous", () => Math.max(0, state.at - state.size)],
    ["Next", () => Math.min(lastPage(), state.at + state.size)],
    ["Last", lastPage],
  ].map(([word, target]) => {
    const button = element("button", word, { type: "button" });
    button.setAttribute("aria-label", `${word} rows of ${caption}`);
    button.addEventListener("click", () => {
      state.at = target();
      show();
    });
    return [button, target];
  });

  const table = element("table");
  table.append(element("caption", caption, { className: "quiet" }), headLine(heads, details), body);
  const frame = element("div", null, { className: "frame", tabIndex: 0 });
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `Table: ${caption}`);
  frame.append(table);
  const pages = element("div", null, { className: "pages" });
  pages.append(words, ...turns.map(([button]) => button), sizeChoice(state.size, (size) => {
    state.size = size;
    state.at = 0;
    show();
  }));
  if (rows.count <= PAGE_SIZES[0] && !searched) pages.hidden = true;
  place.replaceChildren();
  if (searched) place.append(filterBox(number, caption, hint, (query) => {
    state.query = query;
    arrange();
    frame.dataset.query = query;
  }));
  place.append(frame, pages);
  if (rows.rowsLeftOut) {
    const more = `and ${countText(rows.rowsLeftOut)} more that are not in this table`;
    place.append(element("p", `${more}: ${bytesText(rows.bytesLeftOut)}`, { className: "more" }));
  }
  arrange();
  return {
    accept(accepts) {
      state.accepts = accepts;
      arrange();
    },
  };
}

function kindOf(column) {
  return column.isBar ? "bar" : column.isNumber ? "number" : "text";
}

function everyRow(count) {
  return Uint32Array.from({ length: count }, (_, row) => row);
}

function headOf(column, sort) {
  const head = element("th", null, { className: kindOf(column), scope: "col" });
  const button = element("button", column.title, { type: "button" });
  button.addEventListener("click", sort);
  head.append(button);
  return head;
}

function headLine(heads, details) {
  const [head, line] = [element("thead"), element("tr")];
  if (details) line.append(element("td"));
  line.append(...heads);
  head.append(line);
  return head;
}

function unfolded(pairs, width) {
  const [line, cell, list] = [element("tr"), element("td", null, { colSpan: width }), element("dl", null, { className: "fields" })];
  for (const [name, text] of pairs) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", text));
    list.append(pair);
  }
  cell.append(list);
  line.append(cell);
  return line;
}

function sizeChoice(size, choose) {
  const label = element("label", "Rows a page ");
  const select = element("select");
  for (const one of PAGE_SIZES) select.append(element("option", String(one), { value: String(one), selected: one === size }));
  select.addEventListener("change", () => choose(Number(select.value)));
  label.append(select);
  return label;
}

function filterBox(number, caption, hint, change) {
  const box = element("p", null, { className: "filter" });
  const label = element("label", `Filter ${caption.toLowerCase()} `, { htmlFor: `filter-${number}` });
  const input = element("input", null, { id: `filter-${number}`, type: "search", placeholder: hint ?? "", autocomplete: "off" });
  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change(input.value), 80);
  });
  box.append(label, input);
  return box;
}
