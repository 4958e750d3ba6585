
// The page of one endpoint: addresses, certificates, chain, deployments beside the wire, history, events.

function pairs(rows) {
  return element(
    "dl",
    { class: "facts" },
    rows
      .filter(([, value]) => value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && !value.length))
      .map(([name, value]) => [element("dt", null, name), element("dd", { class: "any" }, value)]),
  );
}

function life(certificate, endpoint) {
  const from = Date.parse(certificate.not_before);
  const until = Date.parse(certificate.not_after);
  if (!(until > from)) return null;
  const share = (instant) => Math.max(0, Math.min(100, ((instant - from) / (until - from)) * 100));
  const ending = endpoint.ends === certificate.not_after ? endpoint.urgency : "";
  const lived = element("i", { class: until <= now ? "critical" : endpoint.condition === "expiring" ? ending : "" });
  lived.style.width = `${share(now)}%`;
  const notice = element("b");
  notice.style.left = `${share(Date.parse(endpoint.notice))}%`;
  return element(
    "div",
    { class: "life" },
    element("div", { class: "track", "aria-hidden": "true" }, lived, endpoint.notice ? notice : null),
    element("p", { class: "soft small" }, time(certificate.not_before, day(certificate.not_before)), time(certificate.not_after, day(certificate.not_after))),
  );
}

function others(fingerprint, endpoint) {
  const count = endpoints.filter((each) => each !== endpoint && (each.addresses || []).some((one) => one.certificate === fingerprint)).length;
  if (!count) return null;
  return element("a", { href: address("/", new URLSearchParams({ q: fingerprint })) }, `${plural(count, "other endpoint")}`);
}

function certificateSheet(fingerprint, addresses, endpoint, several) {
  const certificate = certificates[fingerprint];
  if (!certificate) return null;
  const chain = (addresses.find((each) => each.chain) || {}).chain || [];
  const notes = [...new Set(addresses.flatMap((each) => each.chain_notes || []))];
  const title = several ? `Certificate of ${addresses.map(spot).join(", ")}` : "Certificate";
  return element(
    "section",
    { class: "sheet" },
    element("h2", { class: "any" }, title),
    life(certificate, endpoint),
    pairs([
      ["Subject", certificate.subject],
      ["Issuer", certificate.issuer],
      ["Names", certificate.names && element("ul", { class: "names" }, certificate.names.map((name) => element("li", { class: "any" }, name)))],
      ["Valid from", certificate.not_before && time(certificate.not_before, exact(certificate.not_before))],
      ["Valid until", certificate.not_after && time(certificate.not_after, `${exact(certificate.not_after)}, ${relative(certificate.not_after)}`)],
      ["Key", certificate.key_type],
      ["Serial number", certificate.serial_number && element("span", { class: "mono" }, certificate.serial_number)],
      ["SHA-256", element("span", { class: "mono" }, fingerprint)],
      ["SHA-1", element("span", { class: "mono" }, certificate.sha1)],
      ["MD5", element("span", { class: "mono" }, certificate.md5)],
      ["Odd", certificate.odd],
      ["Served by", others(fingerprint, endpoint)],
    ]),
    chain.length > 1 ? element("h3", { class: "notes" }, "Chain as sent") : null,
    chain.length > 1
      ? element(
          "ol",
          { class: "chain" },
          chain.map((each) => {
            const one = certificates[each] || {};
            const ends = Date.parse(one.not_after);
            return element(
              "li",
              null,
              element("div", null, element("div", { class: "any" }, common(one.subject) || each), element("div", { class: "soft small any" }, `by ${common(one.issuer)}`)),
              one.not_after ? element("span", { class: ends <= now ? "critical small" : "soft small" }, ends <= now ? "ended " : "ends ", time(one.not_after, day(one.not_after))) : null,
            );
          }),
        )
      : null,
    notes.map((note) => element("p", { class: "notes any" }, note)),
  );
}

function yes(value, good, bad) {
  return value === true ? word(good, "good") : value === false ? word(bad, "critical") : element("span", { class: "soft" }, "not asked");
}

function table(heads, rows, label) {
  return element(
    "div",
    { class: "wide", role: "region", tabindex: "0", "aria-label": label },
    element(
      "table",
      null,
      element("thead", null, element("tr", null, heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", null, rows.map((row) => element("tr", null, row.map((cell) => element("td", { class: "any" }, cell))))),
    ),
  );
}

function addressSheet(endpoint) {
  const addresses = endpoint.addresses || [];
  if (!addresses.length) return null;
  const rows = addresses.map((each) => [
    each.address ? spot(each) : "does not resolve",
    word(CONDITIONS[each.condition], tone(each)),
    each.certificate ? short(each.certificate) : "\u2013",
    [[each.protocol, each.staple && each.staple !== "none" && `OCSP ${each.staple}`].filter(Boolean).join(", ") || "\u2013"],
    each.condition === "unreachable" ? "\u2013" : yes(each.trusted, "Trusted", "Not trusted"),
    time(each.since),
    time(each.last_seen),
  ]);
  const troubles = addresses.filter((each) => each.why);
  return element(
    "section",
    { class: "sheet" },
    element("h2", null, plural(addresses.length, "address", "addresses")),
    table(["Address", "Condition", "Certificate", "Protocol", "Trust", "Since", "Last asked"], rows, "Addresses"),
    troubles.map((each) => element("p", { class: "notes any" }, addresses.length > 1 ? `${spot(each)}: ` : "", each.why)),
  );
}

const LAYERS = ["source", "file", "memory"];

function held(fingerprint) {
  if (fingerprint === undefined) return element("span", { class: "soft" }, "not asked");
  if (fingerprint === null) return "none";
  return fingerprint === "" ? "another one" : short(fingerprint);
}

function deploymentSheet(endpoint) {
  const deployments = endpoint.deployments || [];
  if (endpoint.unmanaged) {
    return element(
      "section",
      { class: "sheet" },
      element("h2", null, "Deployments"),
      element("p", { class: "notes" }, "Served, but not managed: no host of the fleet says that it has this certificate."),
    );
  }
  if (!deployments.length) return null;
  const wire = { served: word("Served", "good"), differs: word("Not served", "critical"), unknown: word("Not known", "none") };
  const rows = deployments.map((each) => [
    each.host,
    each.certificate,
    ...LAYERS.map((layer) => held((each.layers || {})[layer])),
    wire[each.verdict].cloneNode(true),
    each.at ? time(each.at) : "",
  ]);
  return element(
    "section",
    { class: "sheet" },
    element("h2", null, "Deployments beside the wire"),
    table(["Host", "Certificate", "Source", "File", "Memory", "Wire", "Read"], rows, "Deployments"),
    deployments.filter((each) => each.why).map((each) => element("p", { class: "notes any" }, each.why)),
    endpoint.outdated ? element("p", { class: "notes" }, "The certificate has changed since this was read.") : null,
  );
}

function historySheet(endpoint) {
  const history = endpoint.history || [];
  if (!history.length) return null;
  const several = new Set(history.map(spot)).size > 1;
  // What is the same for several addresses is told once.
  const told = new Map();
  for (const each of history) {
    const key = JSON.stringify({ ...each, address: "", key_type: "" });
    if (told.has(key)) told.get(key).spots.push(spot(each));
    else told.set(key, { ...each, spots: [spot(each)] });
  }
  const items = [...told.values()].map((each) => {
    const certificate = certificates[each.certificate];
    const until = each.open ? "now" : exact(each.until);
    const what = each.certificate
      ? [`${common(certificate && certificate.issuer)}, `, short(each.certificate), certificate && certificate.not_after ? ` until ${day(certificate.not_after)}` : ""]
      : [element("span", { class: "any" }, each.error || "no certificate")];
    const bad = !each.certificate || each.trust_error;
    return element(
      "li",
      { class: bad ? "bad" : each.open ? "now" : "" },
      element("div", null, each.certificate ? null : word("Unreachable", "critical"), " ", what),
      each.trust_error ? element("div", { class: "critical small any" }, each.trust_error) : null,
      element("div", { class: "soft small" }, several ? `${each.spots.join(", ")} \u00B7 ` : "", element("time", { datetime: each.since }, exact(each.since)), " \u2013 ", until),
    );
  });
  return element(
    "section",
    { class: "sheet" },
    element("h2", null, "History"),
    element("ol", { class: "past" }, items),
    endpoint.older ? element("p", { class: "notes" }, `${plural(endpoint.older, "older entry", "older entries")} in the registry`) : null,
  );
}

function details(id) {
  const endpoint = byId.get(id);
  if (!endpoint) return null;
  const groups = new Map();
  for (const each of endpoint.addresses || []) {
    if (!each.certificate) continue;
    if (!groups.has(each.certificate)) groups.set(each.certificate, []);
    groups.get(each.certificate).push(each);
  }
  const events = data.events.filter((event) => event.endpoint === id);
  return [
    element(
      "div",
      { class: "lead" },
      element("h1", { class: "any" }, endpoint.name),
      element("p", { class: "soft any" }, place(endpoint)),
      element("p", null, word(CONDITIONS[endpoint.condition], tone(endpoint)), endpoint.ends ? [" \u00B7 ends ", time(endpoint.ends)] : null),
      endpoint.why ? element("p", { class: "any" }, endpoint.why) : null,
    ),
    addressSheet(endpoint),
    ...[...groups].map(([fingerprint, addresses]) => certificateSheet(fingerprint, addresses, endpoint, groups.size > 1)),
    deploymentSheet(endpoint),
    element(
      "div",
      { class: "pair" },
      historySheet(endpoint),
      element(
        "div",
        { class: "stack" },
        element(
          "section",
          { class: "sheet" },
          element("h2", null, "Endpoint"),
          pairs([
            ["Server name", endpoint.server_name === "" ? "none is sent" : endpoint.server_name],
            ["STARTTLS", endpoint.starttls],
            ["Connects to", endpoint.address],
            ["PROXY header", endpoint.proxy_protocol ? "is sent" : null],
            ["Tags", endpoint.tags && Object.entries(endpoint.tags).map(([key, value]) => `${key}=${value}`).join(", ")],
            ["Watched since", endpoint.added && time(endpoint.added, exact(endpoint.added))],
            ["Last asked", endpoint.last_seen && time(endpoint.last_seen)],
          ]),
        ),
        changes(events, "Events", false),
      ),
    ),
  ].filter(Boolean);
}
