
"use strict";
// What all pages have: elements, time, the address, the head, and the way between the list and its items.
// Nothing here makes markup of a text: every text becomes a text node.

const DAY = 86400000;

const source = document.getElementById("data");
const data = JSON.parse(source.textContent);
source.remove();
const generated = Date.parse(data.generated);
let now = Math.max(Date.now(), generated || 0);

// -- elements ------------------------------------------------------------------------------------------------------

// facts: attributes; those whose name begins with "on" are listeners. children: elements, texts, or nothing.
function element(tag, facts, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const MARKS = { critical: "\u25B2", warning: "\u25C6", good: "\u25CF", none: "\u25CB" };

// A word with a sign before it: colour alone tells nobody anything.
function word(text, tone) {
  const mark = element("span", { class: "mark", "aria-hidden": "true" }, MARKS[tone] || MARKS.none);
  return element("span", { class: `word ${tone === "none" ? "soft" : tone}` }, mark, text);
}

function plural(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many || `${one}s`}`;
}

// -- time ----------------------------------------------------------------------------------------------------------

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const UNITS = [["year", 365 * DAY], ["month", 30 * DAY], ["day", DAY], ["hour", 3600000], ["minute", 60000]];
const spoken = new Intl.RelativeTimeFormat("en", { numeric: "always" });

// Days up to two months, so that nobody has to count.
function relative(instant) {
  const left = Date.parse(instant) - now;
  for (const [unit, length] of UNITS) {
    const most = unit === "month" ? 60 * DAY : unit === "day" ? 2 * DAY : unit === "year" ? 2 * length : length;
    if (Math.abs(left) >= most) return spoken.format(Math.trunc(left / length), unit);
  }
  return left < 0 ? "just now" : "now";
}

function day(instant) {
  const date = new Date(instant);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

function exact(instant) {
  return `${day(instant)}, ${instant.slice(11, 19)} UTC`;
}

function time(instant, text) {
  return element("time", { datetime: instant, title: exact(instant) }, text || relative(instant));
}

// -- the address ---------------------------------------------------------------------------------------------------

// #/path?name=value: a view can be sent to somebody else, and the way back is the browser's.
function route() {
  const [path, ...query] = location.hash.slice(1).split("?");
  return { path: path || "/", params: new URLSearchParams(query.join("?")) };
}

function address(path, params) {
  const query = new URLSearchParams([...params].filter(([, value]) => value)).toString();
  return `#${path}${query ? `?${query}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// -- the page ------------------------------------------------------------------------------------------------------

// What is typed goes into the address a moment later (browsers limit how often), and before anybody leaves at the latest.
const typed = { timer: 0, address: "" };
function keepTyped() {
  clearTimeout(typed.timer);
  if (typed.address) history.replaceState(null, "", typed.address);
  typed.address = "";
}

function go(path, params) {
  keepTyped();
  const wanted = address(path, params || new URLSearchParams());
  if (location.hash === wanted) return;
  if (wanted === "#/" && !location.hash) return;
  location.hash = wanted;
}

let said = 0;
function say(text) {
  clearTimeout(said);
  said = setTimeout(() => {
    document.getElementById("said").textContent = text;
  }, 400);
}

// overview: elements that stand above the list while nothing is searched; list; details: (id) => elements, or null;
// written: elements of the head; kind: the first word of the address of one item.
function start({ overview, list, details, kind, written, hint }) {
  const main = document.getElementById("main");
  const search = element("input", { type: "search", id: "search", placeholder: hint, "aria-label": hint, autocomplete: "off", spellcheck: "false" });
  const age = element("p");
  const head = element("h1", null, element("a", { href: "#/" }, data.title));
  document.getElementById("head").append(element("div", null, head, age, search));
  document.title = data.title;
  main.append(...overview, list.section);
  let scrolled = 0;
  let left = "#/";

  function tellAge() {
    now = Math.max(Date.now(), generated || 0);
    age.replaceChildren(...written());
  }

  function showOne(path) {
    const made = details(decoded(path.slice(kind.length + 2)));
    const back = element("p", { class: "back" }, element("a", { href: left }, "\u2190 All ", list.noun[1]));
    const content = made || [element("h1", null, `There is no such ${list.noun[0]}.`)];
    const title = content[0].matches("h1") ? content[0] : content[0].querySelector("h1");
    main.replaceChildren(back, ...content);
    document.title = `${title.textContent} \u2013 ${data.title}`;
    title.tabIndex = -1;
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  function showList(params, before) {
    const away = !list.section.isConnected;
    if (away) main.replaceChildren(...overview, list.section);
    const filtered = ["q", "show", ...Object.keys(list.extra)].some((name) => params.get(name));
    for (const section of overview) section.hidden = filtered;
    if (search.value.trim() !== (params.get("q") || "").trim()) search.value = params.get("q") || "";
    const count = list.apply(params);
    document.title = data.title;
    if (filtered) say(`${plural(count, ...list.noun)} found`);
    if (!away) return;
    window.scrollTo(0, scrolled);
    list.draw();
    const links = [...main.querySelectorAll("a")].filter((each) => each.getAttribute("href") === before);
    const link = links.find((each) => each === from) || links.pop();
    if (link) link.focus({ preventScroll: true });
  }

  // Where somebody has come from, there they are again on the way back.
  let from = null;
  main.addEventListener("click", (event) => {
    from = event.target.closest("a");
    keepTyped();
  }, true);

  let last = "";
  function follow() {
    const { path, params } = route();
    const before = last;
    last = location.hash;
    if (path.startsWith(`/${kind}/`)) {
      left = address("/", list.params);
      showOne(path);
    } else {
      showList(params, before);
    }
  }

  window.addEventListener("hashchange", follow);
  window.addEventListener("scroll", () => {
    if (list.section.isConnected) scrolled = window.scrollY;
  }, { passive: true });
  search.addEventListener("input", () => {
    const { path, params } = route();
    const wanted = path.startsWith(`/${kind}/`) ? new URLSearchParams() : params;
    if (path.startsWith(`/${kind}/`)) {
      wanted.set("q", search.value);
      go("/", wanted);
      search.focus();
      return;
    }
    wanted.set("q", search.value);
    showList(wanted);
    clearTimeout(typed.timer);
    typed.address = last = address("/", wanted);
    typed.timer = setTimeout(keepTyped, 200);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "ArrowDown" && event.target === search) {
      event.preventDefault();
      list.focus(0);
    } else if (event.key === "Escape" && event.target === search && search.value) {
      search.value = "";
      search.dispatchEvent(new Event("input"));
    } else if (event.key === "Escape" && !typing && !list.section.isConnected) {
      go("/", new URLSearchParams(left.split("?")[1] || ""));
    }
  });
  document.getElementById("skip").addEventListener("click", () => main.focus());
  history.scrollRestoration = "manual";
  tellAge();
  setInterval(tellAge, 60000);
  follow();
}
