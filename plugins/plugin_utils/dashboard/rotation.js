
// How a rotation went on each host of a fleet: the report of one run.

const OUTCOMES = {
  failed: ["Failed", "critical"],
  unreachable: ["Unreachable", "critical"],
  refused: ["Refused", "critical"],
  not_run: ["Not run", "warning"],
  rotated: [data.check_mode ? "Would rotate" : "Rotated", "good"],
  unchanged: ["Unchanged", "none"],
};
const RANKS = Object.keys(OUTCOMES);
const TROUBLES = ["failed", "unreachable", "refused", "not_run"];

const hosts = Object.entries(data.hosts).map(([id, facts]) => ({ id, ...facts }));

function isDoubtful(host) {
  return Object.keys(host.not_proven).length > 0;
}

function isTroubled(host) {
  return TROUBLES.includes(host.outcome);
}

function outcome(host) {
  return word(...OUTCOMES[host.outcome]);
}

function proof(host) {
  if (data.check_mode || !host.pending.length) return host.unchanged && !data.check_mode ? "earlier" : "\u2013";
  return `${host.proven.length} of ${host.pending.length}`;
}

function link(host) {
  return element("a", { href: `#/host/${encodeURIComponent(host.id)}`, class: "any" }, host.id);
}

function sum(all, count) {
  return all.reduce((found, each) => found + count(each), 0);
}

function verdict() {
  const troubled = hosts.filter(isTroubled).length;
  const rotated = sum(hosts, (each) => each.rotated.length + each.removed.length);
  const proven = sum(hosts, (each) => each.proven.length);
  const pending = sum(hosts, (each) => each.pending.length);
  const text = !hosts.length
    ? "No host was looked at"
    : troubled
      ? `${plural(troubled, "host needs", "hosts need")} a person`
      : data.check_mode
        ? "Nothing is in the way"
        : "All hosts are well";
  const rest = RANKS.filter((each) => data.summary[each]).map((each) => `${data.summary[each]} ${OUTCOMES[each][0].toLowerCase()}`);
  const told = [`${plural(hosts.length, "host")}: ${rest.join(", ")}.`];
  if (rotated) told.push(`${plural(rotated, "certificate")} ${data.check_mode ? "would be changed" : "changed"}.`);
  if (pending && !data.check_mode) told.push(`${proven} of ${pending} seen served by a new handshake.`);
  if (data.check_mode) told.push("Check mode: nothing was changed.");
  return element("div", null, element("h2", { class: "verdict" }, text), element("p", null, told.join(" ")));
}

function needs() {
  const wanting = hosts.filter((each) => isTroubled(each) || isDoubtful(each)).sort((a, b) => RANKS.indexOf(a.outcome) - RANKS.indexOf(b.outcome));
  if (!wanting.length) return null;
  const rows = wanting.slice(0, 12);
  return element(
    "section",
    { class: "sheet", "aria-label": "What needs a person" },
    element(
      "ul",
      { class: "needs" },
      rows.map((host) =>
        element(
          "li",
          null,
          isTroubled(host) ? outcome(host) : word("Not proven", "warning"),
          element("div", null, link(host), element("p", { class: "any" }, host.message || "Its turn did not come.")),
        ),
      ),
    ),
    wanting.length > rows.length
      ? element("button", { type: "button", class: "more", onclick: () => go("/", new URLSearchParams({ show: rows.every(isTroubled) ? "needs" : "unproven" })) }, `${wanting.length - rows.length} more`)
      : null,
  );
}

function namesSheet(title, names, tone) {
  if (!names.length) return null;
  return element(
    "section",
    { class: "sheet" },
    element("h2", null, `${title} `, element("span", { class: "soft" }, names.length.toLocaleString("en"))),
    element("ul", { class: "changes" }, names.map((name) => element("li", null, element("span", { class: `any ${tone || ""}` }, name)))),
  );
}

function details(id) {
  const host = hosts.find((each) => each.id === id);
  if (!host) return null;
  const doubts = Object.entries(host.not_proven);
  return [
    element(
      "div",
      { class: "lead" },
      element("h1", { class: "any" }, host.id),
      element("p", null, outcome(host)),
      ...(host.message ? host.message.split("\n") : []).map((line) => element("p", { class: "any" }, line)),
    ),
    element(
      "section",
      { class: "sheet" },
      element("h2", null, "This run"),
      element(
        "dl",
        { class: "facts" },
        [["Unchanged", host.unchanged], ["Proof", proof(host)], ["Activation", host.activation.replaceAll("_", " ")]].map(([name, value]) => [element("dt", null, name), element("dd", null, String(value))]),
      ),
    ),
    namesSheet("Failed", host.failed, "critical"),
    namesSheet("Refused", host.refused, "critical"),
    namesSheet(data.check_mode ? "Would be rotated" : "Rotated", host.rotated),
    namesSheet("Removed", host.removed),
    doubts.length
      ? element(
          "section",
          { class: "sheet" },
          element("h2", null, "Not proven"),
          element("ul", { class: "changes" }, doubts.map(([name, why]) => element("li", null, element("div", null, element("div", { class: "any" }, name), element("p", { class: "soft small any" }, why))))),
        )
      : null,
  ].filter(Boolean);
}

function number(key, label, count) {
  return {
    key,
    label,
    class: "number aside",
    value: count,
    cell: (each) => element("div", { class: count(each) ? "" : "soft" }, ["unreachable", "not_run"].includes(each.outcome) ? "\u2013" : count(each).toLocaleString("en")),
  };
}

const list = new List({
  noun: ["host", "hosts"],
  items: hosts,
  text: (each) => [each.id, OUTCOMES[each.outcome][0], each.message, ...each.rotated, ...each.removed, ...each.refused, ...each.failed, ...Object.keys(each.not_proven)].join("\n"),
  chips: [
    { key: "needs", label: "Needs a person", test: isTroubled },
    { key: "unproven", label: "Not proven", test: isDoubtful },
    ...RANKS.map((each) => ({ key: each, label: OUTCOMES[each][0], tone: OUTCOMES[each][1], test: (host) => host.outcome === each })),
  ].filter((chip) => hosts.some(chip.test)),
  order: "outcome",
  columns: [
    { key: "outcome", label: "Outcome", value: (each) => RANKS.indexOf(each.outcome) * 2 - Number(isDoubtful(each)), cell: (each) => element("div", null, outcome(each)) },
    {
      key: "host",
      label: "Host",
      value: (each) => each.id.toLowerCase(),
      cell: (each) => [link(each), element("div", { class: "soft small" }, each.message.split("\n")[0])],
    },
    number("rotated", data.check_mode ? "Would change" : "Changed", (each) => each.rotated.length + each.removed.length),
    number("unchanged", "Unchanged", (each) => each.unchanged),
    number("refused", "Refused", (each) => each.refused.length),
    number("failed", "Failed", (each) => each.failed.length),
    { key: "proof", label: "Proven", class: "key number", value: (each) => (each.pending.length ? each.proven.length / each.pending.length : null), cell: (each) => element("div", null, proof(each)) },
  ],
});

start({
  overview: [verdict(), needs()].filter(Boolean),
  list,
  details,
  kind: "host",
  written: () => ["Ended ", time(data.generated)],
  hint: "Search hosts, certificates, reasons",
});
