// Tables: dense where there is room, one block a row where there is not. The roles stay when CSS changes the display.

import { h, lang, t } from "./dom.js";

/** A cell with a class of its own; any other content of a row becomes a plain cell. */
export const cell = (kind, ...content) => h("td", { class: kind }, content);

/** A row; `pick` marks one that opens by a click anywhere on it. */
export const row = (cells, pick) => h("tr", { role: "row", class: pick && "pick" },
  cells.map((content) => (content instanceof HTMLTableCellElement ? content : h("td", {}, content ?? ""))));

/** A table of those rows; `heads` are keys of texts. */
export function table(heads, rows, { sort } = {}) {
  for (const line of rows) {
    [...line.cells].forEach((one, column) => {
      one.setAttribute("role", "cell");
      one.dataset.head = t(heads[column]);
    });
  }
  const element = h("table", { role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, t(head))))),
    h("tbody", { role: "rowgroup" }, rows));
  if (sort) sortable(element);
  return h("div", { class: "scroll" }, element);
}

function sortable(element) {
  const heads = [...element.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const turn = h("button", { class: "quiet small-button" }, head.textContent);
    turn.onclick = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = (line) => line.cells[column].querySelector("time")?.dateTime ?? line.cells[column].textContent;
      const sorted = [...element.tBodies[0].rows].sort((a, b) => text(a).localeCompare(text(b), lang, { numeric: true }));
      element.tBodies[0].append(...(up ? sorted : sorted.reverse()));
    };
    head.replaceChildren(turn);
  });
}
