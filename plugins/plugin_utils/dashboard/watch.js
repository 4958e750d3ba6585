
// The dashboard of watched endpoints. What it tells is computed by the collection; only what time changes afterwards
// (something ends while the page lies there) is put right here.

const CONDITIONS = {
  expired: "Expired",
  unserved: "Not served",
  untrusted: "Untrusted",
  unreachable: "Unreachable",
  expiring: "Expiring",
  unread: "Unreadable",
  unseen: "Not scanned",
  paused: "Paused",
  good: "Fine",
};
const RANKS = Object.keys(CONDITIONS);
const URGENCIES = ["critical", "warning", "none"];
const KINDS = {
  new: "New",
  renewed: "Renewed",
  replaced_early: "Replaced early",
  issuer_changed: "Other issuer",
  names_changed: "Other names",
  key_changed: "Other key",
  expiring: "Expiring",
  expired: "Expired",
  chain_expiring: "Chain ends",
  unreachable: "Unreachable",
  recovered: "Recovered",
  untrusted: "Untrusted",
  trusted_again: "Trusted again",
  retired: "Retired",
};
const GOOD_KINDS = new Set(["renewed", "recovered", "trusted_again"]);
const SIDES = ["issuer_changed", "names_changed", "key_changed"]; // of what happened, beside something else
const WEEK = 7 * DAY;
const WEEKS = 13;

const certificates = data.certificates;
const endpoints = data.endpoints;
const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));

function settle(endpoint) {
  const ends = Date.parse(endpoint.ends);
  if (!ends || !["good", "expiring"].includes(endpoint.condition)) return;
  if (ends <= now) {
    Object.assign(endpoint, { condition: "expired", urgency: "critical", why: "It has expired since the last scan." });
  } else if (Date.parse(endpoint.notice) < now) {
    const urgency = Date.parse(endpoint.urgent) < now ? "critical" : "warning";
    if (endpoint.condition === "good") endpoint.why = "It is time to renew it.";
    Object.assign(endpoint, { condition: "expiring", urgency });
  }
}
endpoints.forEach(settle);

function tone(endpoint) {
  if (endpoint.urgency !== "none") return endpoint.urgency;
  return endpoint.condition === "good" ? "good" : "none";
}

// -- certificates --------------------------------------------------------------------------------------------------

// Of a name as RFC 4514 writes it, one attribute. What stands there for a character that shows nothing stays.
function attribute(name, wanted) {
  for (const found of (name || "").matchAll(/(?:^|,|\+)([A-Za-z.0-9]+)=((?:\\.|[^,+\\])*)/g)) {
    if (found[1] === wanted) return found[2].replace(/\\([ "#+,;<=>\\])/g, "$1").trim();
  }
  return "";
}

function common(name) {
  return attribute(name, "CN") || attribute(name, "O") || name || "";
}

function leaf(endpoint) {
  const served = (endpoint.addresses || []).find((each) => each.certificate);
  return served ? certificates[served.certificate] : undefined;
}

function since(endpoint) {
  return (endpoint.addresses || []).reduce((latest, each) => (each.since > latest ? each.since : latest), "") || null;
}

// An address, and which kind of key it was asked for where that was done for several.
function spot(each) {
  return `${each.address || "name"}${each.key_type ? ` (${each.key_type.toUpperCase()})` : ""}`;
}

function short(fingerprint) {
  return element("span", { class: "mono", title: fingerprint }, fingerprint.slice(0, 16));
}

function link(endpoint, text) {
  return element("a", { href: `#/endpoint/${encodeURIComponent(endpoint.id)}`, class: "any" }, text || endpoint.name);
}

function place(endpoint) {
  return [endpoint.id, endpoint.starttls].filter(Boolean).join(" \u00B7 ");
}

// -- what needs a person -------------------------------------------------------------------------------------------

function byUrgency(a, b) {
  const rank = (each) => URGENCIES.indexOf(each.urgency) * 100 + RANKS.indexOf(each.condition);
  return rank(a) - rank(b) || (a.ends || "9").localeCompare(b.ends || "9");
}

function verdict() {
  const critical = endpoints.filter((each) => each.urgency === "critical").length;
  const soon = endpoints.filter((each) => each.urgency === "warning").length;
  const fine = endpoints.filter((each) => each.condition === "good").length;
  const next = endpoints
    .filter((each) => each.ends && Date.parse(each.ends) > now && each.condition !== "paused")
    .sort((a, b) => (a.ends < b.ends ? -1 : 1))[0];
  const text = !endpoints.length
    ? "No endpoint is watched yet."
    : critical
      ? `${plural(critical, "endpoint needs", "endpoints need")} a person today`
      : "Nothing needs a person today";
  const rest = [soon && `${soon.toLocaleString("en")} soon`, `${fine.toLocaleString("en")} fine`].filter(Boolean).join(", ");
  return element(
    "div",
    null,
    element("h2", { class: "verdict" }, text),
    element("p", null, `${rest}.`, next ? [" Next to end: ", link(next), " ", time(next.ends), "."] : null),
  );
}

function needs() {
  const wanting = endpoints.filter((each) => each.urgency !== "none").sort(byUrgency);
  if (!wanting.length) return null;
  const critical = wanting.filter((each) => each.urgency === "critical").length;
  const rows = wanting.slice(0, Math.max(6, Math.min(critical, 12)));
  const left = wanting.length - rows.length;
  return element(
    "section",
    { class: "sheet", "aria-label": "What needs a person" },
    element(
      "ul",
      { class: "needs" },
      rows.map((endpoint) =>
        element(
          "li",
          null,
          word(CONDITIONS[endpoint.condition], endpoint.urgency),
          element(
            "div",
            null,
            link(endpoint),
            endpoint.id === `${endpoint.name}:443` ? null : element("span", { class: "soft" }, ` ${place(endpoint)}`),
            element("p", { class: "any" }, endpoint.why),
          ),
          element("span", { class: "when" }, endpoint.ends ? [Date.parse(endpoint.ends) <= now ? "ended " : "ends ", time(endpoint.ends)] : ""),
        ),
      ),
    ),
    left > 0
      ? element(
          "button",
          { type: "button", class: "more", onclick: () => go("/", new URLSearchParams({ show: critical > rows.length ? "today" : "soon" })) },
          `${left.toLocaleString("en")} more`,
        )
      : null,
  );
}

// -- what ends when ------------------------------------------------------------------------------------------------

const today = Math.floor(now / DAY) * DAY;

// The week of an end: -1 for the past, WEEKS for what is later.
function week(endpoint) {
  const ends = Date.parse(endpoint.ends);
  if (ends <= now) return -1;
  return Math.min(WEEKS, Math.floor((ends - today) / WEEK));
}

function dayOf(index) {
  return new Date(today + index * WEEK).toISOString().slice(0, 10);
}

function isInWeek(endpoint, wanted) {
  if (!endpoint.ends || endpoint.condition === "paused") return false;
  if (wanted === "past") return Date.parse(endpoint.ends) <= now;
  if (wanted === "later") return week(endpoint) === WEEKS;
  const from = Date.parse(`${wanted}T00:00:00Z`);
  const ends = Date.parse(endpoint.ends);
  return ends >= Math.max(from, now) && ends < from + WEEK;
}

function inWords(wanted) {
  if (!wanted) return "";
  if (wanted === "past") return ", ended";
  if (wanted === "later") return `, ending after ${day(dayOf(WEEKS))}`;
  return Number.isNaN(Date.parse(wanted)) ? "" : `, ending in the week from ${day(wanted)}`;
}

function timeline() {
  const weeks = new Map();
  for (const endpoint of endpoints) {
    if (!endpoint.ends || endpoint.condition === "paused") continue;
    const index = week(endpoint);
    if (!weeks.has(index)) weeks.set(index, []);
    weeks.get(index).push(endpoint);
  }
  if (!weeks.size) return null;
  const inside = [...weeks].filter(([index]) => index < WEEKS).map(([, all]) => all.length);
  const most = Math.max(4, ...inside); // few are no mountain
  const bars = [];
  const labels = [];
  for (let index = -1; index <= WEEKS; index++) {
    const all = weeks.get(index) || [];
    const wanted = index < 0 ? "past" : index === WEEKS ? "later" : dayOf(index);
    const spokenWeek = index < 0 ? "ended" : index === WEEKS ? `end after ${day(dayOf(index))}` : `end in the week from ${day(dayOf(index))}`;
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    const height = all.length ? Math.max(3, Math.min(1, all.length / most) * 100) : 0;
    bar.style.height = `${height * 0.84}%`;
    for (const urgency of ["critical", "warning"]) {
      const part = index < 0 ? (urgency === "critical" ? all.length : 0) : all.filter((each) => each.condition === "expiring" && each.urgency === urgency).length;
      if (!part) continue;
      const piece = element("i", { class: urgency });
      piece.style.height = `${(part / all.length) * 100}%`;
      bar.append(piece);
    }
    bars.push(
      element(
        "li",
        null,
        element(
          "button",
          {
            type: "button",
            disabled: !all.length,
            "aria-label": `${plural(all.length, "endpoint")} ${spokenWeek}`,
            title: `${plural(all.length, "endpoint")} ${spokenWeek}`,
            onclick: () => go("/", new URLSearchParams({ ends: wanted, sort: "ends" })),
          },
          element("span", { class: "count", "aria-hidden": "true" }, all.length ? all.length.toLocaleString("en") : ""),
          bar,
        ),
      ),
    );
    const [, month, date] = dayOf(Math.max(0, index)).split("-").map(Number);
    labels.push(element("li", null, index < 0 ? "past" : index === WEEKS ? "later" : index % 2 || index === WEEKS - 1 ? "" : `${date} ${MONTHS[month - 1]}`));
  }
  return element(
    "section",
    { class: "sheet" },
    element("div", { class: "title" }, element("h2", null, "What ends when"), element("span", { class: "soft small" }, "endpoints by week")),
    element("ol", { class: "ends" }, bars),
    element("ol", { class: "axis", "aria-hidden": "true" }, labels),
  );
}

// -- what changed --------------------------------------------------------------------------------------------------

// Without the endpoint at its beginning, where that stands beside it, and with instants as people write them.
function sentence(event) {
  const { name, endpoint, address: asked } = event;
  const message = event.message.replace(/\b\d{4}-\d\d-\d\dT[\d:]{8}Z/g, (instant) => `${day(instant)}, ${instant.slice(11, 16)} UTC`);
  const beginnings = [`${name} (${endpoint}, ${asked})`, `${name} (${endpoint})`, `${endpoint} (${asked})`, endpoint];
  const whose = beginnings.find((each) => message.startsWith(`${each} `));
  if (!whose) return message;
  const rest = message.slice(whose.length + 1);
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

// What happened to one endpoint at one instant, at whichever of its addresses, is one thing with several sides.
function occasions(events) {
  const found = new Map();
  for (const event of events) {
    const key = `${event.at} ${event.endpoint}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(event);
  }
  return [...found.values()].map((sides) => sides.sort((a, b) => SIDES.indexOf(a.kind) - SIDES.indexOf(b.kind)));
}

function occasionRow(sides, isNamed) {
  const [main] = sides;
  const endpoint = byId.get(main.endpoint);
  const worst = ["critical", "warning"].find((severity) => sides.some((each) => each.severity === severity));
  const kinds = [...new Set(sides.map((each) => KINDS[each.kind] || each.kind))];
  const also = kinds.slice(1).map((kind) => kind.toLowerCase());
  const told = new Set(sides.filter((each) => each === main || !SIDES.includes(each.kind) || each.severity !== "info").map(sentence));
  return element(
    "li",
    null,
    element(
      "div",
      null,
      word(kinds[0], worst || (GOOD_KINDS.has(main.kind) ? "good" : "none")),
      isNamed ? [" ", endpoint ? link(endpoint) : element("span", { class: "any" }, main.name || main.endpoint)] : null,
      also.length ? element("span", { class: "soft" }, ` ${also.join(", ")}`) : null,
      [...told].map((text) => element("p", { class: "soft small any" }, text)),
    ),
    element("span", { class: "soft small" }, time(main.at)),
  );
}

function changes(events, title, isNamed) {
  const all = occasions(events);
  if (!all.length) return null;
  const rows = element("ol", { class: "changes" }, all.slice(0, 6).map((sides) => occasionRow(sides, isNamed)));
  const more = element(
    "button",
    {
      type: "button",
      class: "more",
      onclick: () => {
        rows.append(...all.slice(6).map((sides) => occasionRow(sides, isNamed)));
        more.remove();
        const first = rows.children[6];
        first.tabIndex = -1;
        first.focus();
      },
    },
    `${(all.length - 6).toLocaleString("en")} more`,
  );
  return element("section", { class: "sheet" }, element("h2", null, title), rows, all.length > 6 ? more : null);
}

// -- the list ------------------------------------------------------------------------------------------------------

function lines(first, second) {
  return [element("div", null, first), element("div", { class: "soft small" }, second)];
}

const textOf = new Map();

// Of a certificate, which thousands of endpoints may share.
function searchedOf(fingerprint) {
  if (!textOf.has(fingerprint)) {
    const { names, subject, issuer, serial_number } = certificates[fingerprint] || {};
    textOf.set(fingerprint, [fingerprint, ...(names || []), subject, issuer, serial_number].filter(Boolean).join("\n"));
  }
  return textOf.get(fingerprint);
}

function searched(endpoint) {
  const all = [endpoint.name, endpoint.id, endpoint.starttls, endpoint.server_name, CONDITIONS[endpoint.condition]];
  all.push(...Object.entries(endpoint.tags || {}).map(([key, value]) => `${key}=${value}`));
  all.push(...(endpoint.addresses || []).map((each) => each.address));
  all.push(...(endpoint.deployments || []).map((each) => `${each.host} ${each.certificate}`));
  const served = new Set((endpoint.addresses || []).map((each) => each.certificate).filter(Boolean));
  return [[...new Set(all.filter(Boolean))].join("\n"), ...[...served].map(searchedOf)];
}

const chips = [
  { key: "today", label: "Today", test: (each) => each.urgency === "critical" },
  { key: "soon", label: "Soon", test: (each) => each.urgency === "warning" },
  ...RANKS.map((condition) => ({
    key: condition,
    label: CONDITIONS[condition],
    tone: condition === "good" ? "good" : ["paused", "unseen"].includes(condition) ? "none" : ["expiring", "unread"].includes(condition) ? "warning" : "critical",
    test: (each) => each.condition === condition,
  })),
  { key: "unmanaged", label: "Not managed", test: (each) => Boolean(each.unmanaged) },
].filter((chip) => endpoints.some(chip.test));

const list = new List({
  noun: ["endpoint", "endpoints"],
  items: endpoints,
  text: searched,
  chips,
  extra: { ends: isInWeek },
  told: (params) => inWords(params.get("ends")),
  order: "condition",
  columns: [
    {
      key: "condition",
      label: "Condition",
      value: (each) => `${URGENCIES.indexOf(each.urgency)}${RANKS.indexOf(each.condition)}${each.ends || "9"}`,
      cell: (each) => element("div", null, word(CONDITIONS[each.condition], tone(each))),
    },
    {
      key: "name",
      label: "Endpoint",
      value: (each) => each.name.toLowerCase(),
      cell: (each) => [link(each), element("div", { class: "soft small" }, place(each))],
    },
    {
      key: "issuer",
      label: "Issuer",
      class: "aside",
      value: (each) => common((leaf(each) || {}).issuer).toLowerCase() || null,
      cell: (each) => {
        const issuer = (leaf(each) || {}).issuer;
        return lines(common(issuer) || "\u2013", attribute(issuer, "CN") ? attribute(issuer, "O") : "");
      },
    },
    {
      key: "ends",
      label: "Ends",
      class: "key",
      value: (each) => each.ends || null,
      cell: (each) => (each.ends ? lines(time(each.ends), day(each.ends)) : lines("\u2013", "")),
    },
    {
      key: "since",
      label: "Unchanged since",
      class: "aside",
      value: (each) => since(each),
      cell: (each) => (since(each) ? lines(time(since(each)), day(since(each))) : lines("\u2013", "")),
    },
  ],
});

function written() {
  if (!data.scanned) return [`Written ${relative(data.generated)}, nothing has been scanned yet`];
  const isOld = now - Date.parse(data.scanned) > data.max_age_seconds * 1000;
  return [isOld ? element("strong", { class: "warning" }, "Out of date: last scan ", time(data.scanned)) : element("span", null, "Last scan ", time(data.scanned))];
}

function unwatched() {
  const all = data.unwatched || [];
  if (!all.length) return null;
  return element(
    "section",
    { class: "sheet" },
    element("h2", null, "Deployed, but not watched"),
    table(["Host", "Certificate"], all.slice(0, 100).map((each) => [each.host, each.certificate]), "Deployed, but not watched"),
    all.length > 100 ? element("p", { class: "notes" }, `${(all.length - 100).toLocaleString("en")} more`) : null,
  );
}

const beside = element("div", { class: "pair even" }, timeline(), changes(data.events, "Changed lately", true));
start({
  overview: [verdict(), needs(), beside.children.length ? beside : null, unwatched()].filter(Boolean),
  list,
  details,
  kind: "endpoint",
  written,
  hint: "Search names, issuers, fingerprints",
});
