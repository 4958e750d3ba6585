
// A list that stays fast with ten thousand rows: sorted, searched and filtered by what its address says.

const AT_ONCE = 200; // rows that are always all there, so that a browser's own search finds them
const ON_REQUEST = 1000; // and as many when somebody asks for it, or prints
const BEYOND = 12; // rows above and below what is seen

// items: any objects. columns: {key, label, value: what is sorted by, cell: nodes, class}. text: what is searched, one
// text or several, of which those after the first may be those of other items, too, and are kept once.
// chips: {key, label, tone, test}. extra: {name of a parameter: (item, value) => whether it is meant}; told: what those
// parameters mean, in words behind the number of items.
class List {
  constructor({ noun, items, columns, text, chips, extra, told, order }) {
    Object.assign(this, { noun, items, columns, chips, order, extra: extra || {}, told: told || (() => "") });
    const kept = new Map();
    const lower = (part) => {
      if (!kept.has(part)) kept.set(part, part.toLowerCase());
      return kept.get(part);
    };
    this.texts = items.map((item) => [text(item)].flat().map(lower));
    this.params = new URLSearchParams();
    this.shown = [];
    this.rows = new Map();
    this.whole = false;
    this.height = 0;
    this.build();
    window.addEventListener("scroll", () => this.draw(), { passive: true });
    window.addEventListener("resize", () => {
      this.height = 0;
      this.draw();
    });
    window.addEventListener("beforeprint", () => this.draw(true));
    window.addEventListener("afterprint", () => this.draw());
  }

  build() {
    this.heads = this.columns.map((column) =>
      element(
        "th",
        { role: "columnheader", scope: "col", class: column.class },
        element("button", { type: "button", onclick: () => this.sortBy(column.key) }, column.label),
      ),
    );
    this.above = element("tr", { class: "gap", "aria-hidden": "true" }, element("td", { colspan: this.columns.length }));
    this.below = this.above.cloneNode(true);
    this.body = element("tbody", { role: "rowgroup", class: "rows", onkeydown: (event) => this.move(event) });
    this.table = element(
      "table",
      { role: "table", "aria-label": this.noun[1] },
      element("colgroup", null, this.columns.map((column) => element("col", { class: `col-${column.key}` }))),
      element("thead", { role: "rowgroup" }, element("tr", { role: "row", "aria-rowindex": 1 }, this.heads)),
      this.body,
    );
    this.buttons = this.chips.map((chip) =>
      element(
        "button",
        { type: "button", class: "chip", "aria-pressed": "false", onclick: () => this.choose("show", chip.key) },
        chip.tone ? word(chip.label, chip.tone) : chip.label,
        ` ${this.items.filter(chip.test).length.toLocaleString("en")}`,
      ),
    );
    this.sorting = element(
      "select",
      { onchange: (event) => this.set("sort", event.target.value) },
      this.columns.map((column) => element("option", { value: column.key }, column.label)),
    );
    this.count = element("h2", { id: "count" });
    this.clear = element("button", { type: "button", class: "clear", onclick: () => go("/") }, "Show all");
    this.all = element("button", { type: "button", class: "clear", onclick: () => this.showWhole() });
    this.nothing = element("p", { class: "nothing" }, "Nothing matches.");
    const sort = element("label", { class: "sort" }, "Sort by", this.sorting);
    this.section = element(
      "section",
      { class: "sheet list", "aria-labelledby": "count" },
      element("div", { class: "title" }, this.count, this.all),
      element("div", { class: "tools" }, element("div", { class: "chips" }, this.buttons), this.clear, sort),
      this.table,
      this.nothing,
    );
  }

  // Params of the address are all that it shows by.
  apply(params) {
    this.params = params;
    const terms = (params.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean).map(termIn);
    const chip = this.chips.find((each) => each.key === params.get("show"));
    const extra = Object.entries(this.extra).filter(([name]) => params.get(name));
    const found = [];
    // In the order that was asked for: who types waits for no sorting.
    for (const index of this.ordered()) {
      const item = this.items[index];
      if (chip && !chip.test(item)) continue;
      if (!terms.every((isIn) => isIn(this.texts[index]))) continue;
      if (extra.every(([name, test]) => test(item, params.get(name)))) found.push(item);
    }
    this.shown = found;
    this.show();
    return found.length;
  }

  // Numbers of all items, kept until another order is asked for.
  ordered() {
    const asked = this.params.get("sort") || this.order;
    if (this.kept && this.kept.asked === asked) return this.kept.indexes;
    const down = asked.startsWith("-");
    const column = this.columns.find((each) => each.key === asked.replace("-", "")) || this.columns[0];
    for (const [index, each] of this.columns.entries()) {
      if (each === column) this.heads[index].setAttribute("aria-sort", down ? "descending" : "ascending");
      else this.heads[index].removeAttribute("aria-sort");
    }
    this.sorting.value = column.key;
    const keys = this.items.map((item) => column.value(item));
    const sign = down ? -1 : 1;
    // What has no value comes last, whichever way.
    const indexes = keys.map((_key, index) => index).sort((i, j) => {
      const [a, b] = [keys[i], keys[j]];
      return a === b ? i - j : a === null ? 1 : b === null ? -1 : a < b ? -sign : sign;
    });
    this.kept = { asked, indexes };
    return indexes;
  }

  show() {
    const filtered = this.shown.length !== this.items.length;
    const [one, many] = this.noun;
    const of = filtered ? ` of ${this.items.length.toLocaleString("en")}` : "";
    const number = filtered
      ? `${this.shown.length.toLocaleString("en")}${of} ${many}`
      : plural(this.shown.length, one, many);
    this.count.textContent = number + this.told(this.params);
    for (const [index, chip] of this.chips.entries()) {
      this.buttons[index].setAttribute("aria-pressed", String(chip.key === this.params.get("show")));
    }
    this.clear.hidden = !filtered && !this.isFiltered();
    this.whole = false;
    const many_rows = this.shown.length > AT_ONCE && this.shown.length <= ON_REQUEST;
    this.all.hidden = !many_rows;
    this.all.textContent = `Put all ${this.shown.length} rows on the page`;
    this.nothing.hidden = this.shown.length > 0;
    this.table.hidden = this.shown.length === 0;
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    this.rows.clear();
    this.body.replaceChildren(this.above, this.below);
    this.draw();
  }

  isFiltered() {
    return ["q", "show", ...Object.keys(this.extra)].some((name) => this.params.get(name));
  }

  showWhole() {
    this.whole = true;
    this.all.hidden = true;
    this.draw();
  }

  // The rows that can be seen, and some around them. Those that stay keep the focus.
  draw(printed) {
    if (this.section.hidden || !this.shown.length) return;
    const total = this.shown.length;
    let first = 0;
    let last = total;
    if (printed) last = Math.min(total, ON_REQUEST);
    else if (!this.whole && total > AT_ONCE) {
      if (!this.height) this.measure();
      const top = this.body.getBoundingClientRect().top;
      first = Math.max(0, Math.min(total, Math.floor(-top / this.height)) - BEYOND);
      last = Math.min(total, Math.max(0, Math.ceil((window.innerHeight - top) / this.height)) + BEYOND);
      last = Math.max(last, first);
    }
    for (const [index, row] of this.rows) {
      if (index < first || index >= last) {
        row.remove();
        this.rows.delete(index);
      }
    }
    let next = this.above.nextSibling;
    for (let index = first; index < last; index++) {
      let row = this.rows.get(index);
      if (row) next = row.nextSibling;
      else {
        row = this.row(index);
        this.rows.set(index, row);
        this.body.insertBefore(row, next);
      }
    }
    this.above.firstChild.style.height = `${first * this.height}px`;
    this.below.firstChild.style.height = printed ? "0" : `${(total - last) * this.height}px`;
  }

  measure() {
    const row = this.row(0);
    this.body.append(row);
    this.height = row.getBoundingClientRect().height || 56;
    row.remove();
  }

  row(index) {
    const item = this.shown[index];
    const cells = this.columns.map((column) => element("td", { role: "cell", class: column.class }, column.cell(item)));
    return element("tr", { role: "row", "aria-rowindex": index + 2, "data-index": index }, cells);
  }

  // Keys of a list, in the column of links.
  move(event) {
    const row = event.target.closest("tr[data-index]");
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(window.innerHeight / (row.offsetHeight || 56)) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.focus(Number(row.dataset.index) + steps[event.key]);
  }

  focus(index) {
    const wanted = Math.max(0, Math.min(this.shown.length - 1, index));
    if (!this.rows.has(wanted)) {
      const top = this.body.getBoundingClientRect().top + window.scrollY + wanted * this.height;
      window.scrollTo(0, top - window.innerHeight / 2);
      this.draw();
    }
    const link = this.rows.get(wanted) && this.rows.get(wanted).querySelector("a");
    if (!link) return;
    link.focus({ preventScroll: true });
    link.closest("tr").scrollIntoView({ block: "nearest" });
  }

  sortBy(key) {
    const current = this.params.get("sort") || this.order;
    this.set("sort", current === key ? `-${key}` : key);
  }

  choose(name, value) {
    this.set(name, this.params.get(name) === value ? "" : value);
  }

  set(name, value) {
    const params = new URLSearchParams(this.params);
    params.set(name, value);
    go("/", params);
  }
}

// Whether one of an item's texts has it. What thousands of items share is looked through once.
function termIn(term) {
  const found = new Map();
  const has = (shared) => {
    if (!found.has(shared)) found.set(shared, shared.includes(term));
    return found.get(shared);
  };
  return ([own, ...others]) => own.includes(term) || others.some(has);
}
