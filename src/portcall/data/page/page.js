// Fills the page from the data in it.

const $ = (id) => document.getElementById(id);
const SOURCES = {
  process: "the process that held the socket", name: "a name in the traffic: TLS, HTTP, QUIC or DNS",
  protocol: "the protocol recognised in what was said", port: "the port number alone",
};
const TITLES = { app: "Apps", process: "Processes", host: "Hosts", service: "Services", user: "Users", time: "Time", query: "DNS questions" };
const FIELD_TITLES = {
  protocol: "transport", application_protocol: "recognised", app_source: "app rests on", hostname_source: "name comes from",
  opener_evidence: "client known by", owner_quality: "owner known", owner_source: "owner seen by", owner_search: "owner sought",
  unattributed_reason: "no app because", evidence_frame: "frame that told",
};
const WITH_PORTS = new Set(["tcp", "udp", "sctp", "dccp", "udplite"]);

class Page {
  constructor(report) {
    this.report = report;
    this.credited = report.coverage.bytes + report.coverage.bytes_credited_twice;
    this.startNs = report.window_ns ? report.window_ns[0] : 0;
    this.decimals = report.window_ns && report.window_ns[1] - report.window_ns[0] < 1e9 ? 6 : 3;
    this.onOneDay = !report.window_ns || Math.floor(report.window_ns[0] / 864e11) === Math.floor(report.window_ns[1] / 864e11);
  }

  /** The bytes that all rows of a grouping are: those between two local ends count at both, but not by service. */
  wholeOf(by) {
    return ["app", "process", "user", "host"].includes(by) ? this.credited : this.report.coverage.bytes;
  }

  nameOf(rows, row, by) {
    if (by === "time") return rows.value("bucket_us", row) === null ? "(no time)" : momentText(this.startNs + rows.value("bucket_us", row) * 1000);
    const script = by === "app" || by === "process" ? rows.text("script", row) : "";
    const name = rows.text(by, row);
    return name ? [name, script].filter(Boolean).join(" ") : this.reasonOf(rows, row);
  }

  reasonOf(rows, row) {
    const reason = rows.value("unattributed_reason", row);
    if (reason === null) return rows.by === "user" ? rows.text("process", row) || "(unknown user)" : "(without a name)";
    if (reason !== "no-owner" || rows.value("owner_quality", row)) return `(${this.report.reasons[reason] ?? visible(reason)})`;
    const named = rows.value("services", row) ?? [`${rows.value("protocol", row)}/${rows.value("server_port", row)}`];
    return named.length === 1 ? `(unknown service ${visible(named[0])})` : "(unknown services)";
  }

  evidenceOf(rows, row) {
    const reason = rows.value("unattributed_reason", row);
    if (reason !== null) return this.report.reasons[reason] ?? visible(reason);
    const source = rows.value("app_source", row);
    const more = source === "process" ? rows.text("owner_quality", row) : source === "name" ? rows.text("hostname_source", row) : "";
    return [source ?? "", more].filter(Boolean).join(", ");
  }
}

function nameColumn(page, rows, by, title) {
  return {
    title, name: by, isHead: true,
    cell: (row, cell) => {
      cell.append(element("span", page.nameOf(rows, row, by), rows.value(by, row) === null ? { className: "nameless" } : {}));
    },
  };
}

function textColumn(rows, title, name) {
  return { title, name, cell: (row, cell) => cell.append(element("span", rows.text(name, row))) };
}

function bytesColumn(rows, title, names) {
  return { title, isNumber: true, measure: (row) => rows.sum(names, row), cell: (row, cell) => (cell.textContent = bytesText(rows.sum(names, row))) };
}

function countColumn(rows, title, names) {
  return { title, isNumber: true, measure: (row) => rows.sum(names, row), cell: (row, cell) => (cell.textContent = countText(rows.sum(names, row))) };
}

function shareColumn(rows, names, whole, title = "Share") {
  return {
    title, isBar: true, isNumber: true, measure: (row) => rows.sum(names, row),
    cell: (row, cell) => {
      const [box, bar] = [element("span", null, { className: "share" }), element("i")];
      const part = rows.sum(names, row);
      bar.style.width = whole ? `${(100 * part) / whole}%` : "0";
      box.append(element("span", shareText(part, whole)), bar);
      cell.append(box);
    },
  };
}

function startColumn(page, rows) {
  return {
    title: "Start", name: "start_us", isNumber: true,
    cell: (row, cell) => {
      const offset = rows.value("start_us", row);
      cell.textContent = offset === null ? "" : momentText(page.startNs + offset * 1000, { withDay: !page.onOneDay, decimals: page.decimals });
    },
  };
}

function durationColumn(rows) {
  return {
    title: "Duration", name: "duration_us", isNumber: true,
    cell: (row, cell) => (cell.textContent = rows.value("duration_us", row) === null ? "" : durationText(rows.value("duration_us", row) * 1000)),
  };
}

function evidenceColumn(page, rows, title = "Evidence") {
  const texts = new Map();
  const ranked = () => {
    for (let row = 0; row < rows.count; row += 1) texts.set(page.evidenceOf(rows, row), 0);
    [...texts.keys()].sort().forEach((text, rank) => texts.set(text, rank));
  };
  return {
    title,
    measure: (row) => {
      if (!texts.size) ranked();
      return texts.get(page.evidenceOf(rows, row));
    },
    cell: (row, cell) => cell.append(element("span", page.evidenceOf(rows, row))),
  };
}

function endColumn(page, rows, end, title) {
  return {
    title, name: rows.has("hostname") && end === "server" ? "hostname" : `${end}_ip`,
    cell: (row, cell) => {
      const address = rows.text(`${end}_ip`, row);
      const port = WITH_PORTS.has(rows.value("protocol", row)) ? rows.value(`${end}_port`, row) : 0;
      const name = end === "server" ? rows.text("hostname", row) : "";
      if (!address) return;
      cell.append(element("span", name || endText(address, port)));
      const under = [name && endText(address, port), rows.text(`${end}_reverse_name`, row), rows.text(`${end}_country`, row)];
      const more = under.filter(Boolean).join(" \u00b7 ");
      if (more) cell.append(element("span", more, { className: "under" }));
    },
  };
}

function groupTable(page, rows, place) {
  const both = rows.by === "query" ? ["bytes_to_server", "bytes_to_client"] : ["bytes_out", "bytes_in"];
  const title = { host: "Host", app: "App", process: "Process", service: "Service", user: "User", time: "Time", query: "Question" }[rows.by];
  const optional = (name, column) => (rows.has(name) ? [column] : []);
  const columns = [
    nameColumn(page, rows, rows.by === "time" ? "bucket_us" : rows.by, title),
    ...(rows.by === "process" ? optional("pid", { title: "Pid", name: "pid", isNumber: true, cell: (row, cell) => (cell.textContent = rows.text("pid", row)) }) : []),
    ...(rows.by === "query" ? [textColumn(rows, "Type", "query_type"), textColumn(rows, "Client", "client_ip"), countColumn(rows, "Asked", ["questions"]), textColumn(rows, "Said", "response_codes")] : []),
    bytesColumn(rows, "Bytes", both),
    shareColumn(rows, both, page.wholeOf(rows.by)),
    bytesColumn(rows, rows.by === "query" ? "To server" : "Sent", [both[0]]),
    bytesColumn(rows, rows.by === "query" ? "To client" : "Received", [both[1]]),
    ...optional("flows", countColumn(rows, "Conversations", ["flows"])),
    ...(rows.by === "host" ? [] : optional("top_host", textColumn(rows, "Top host", "top_host"))),
    ...optional("top_host_country", textColumn(rows, "Country", "top_host_country")),
    ...optional("top_host_network", textColumn(rows, "Network", "top_host_network")),
    ...(rows.by === "service" ? [] : optional("services", textColumn(rows, "Services", "services"))),
    ...(rows.has("app_source") && rows.by !== "host" ? [evidenceColumn(page, rows)] : []),
  ];
  if (rows.by === "time") columns[0].cell = (row, cell) => (cell.textContent = page.nameOf(rows, row, "time"));
  const searched = rows.count > 10 ? [rows.by, "process", "pid", "top_host", "services", "query_type", "client_ip"] : undefined;
  const sortBy = rows.by === "time" ? 0 : columns.findIndex((column) => column.title === "Bytes");
  return pagedTable(place, rows, { caption: TITLES[rows.by], columns, searched, sortBy });
}

function flowTable(page, rows, place) {
  const both = ["bytes_to_server", "bytes_to_client"];
  const optional = (name, column) => (rows.has(name) ? [column] : []);
  const columns = [
    startColumn(page, rows),
    durationColumn(rows),
    nameColumn(page, rows, "app", "App"),
    ...optional("client_process", textColumn(rows, "Client process", "client_process")),
    ...optional("server_process", textColumn(rows, "Server process", "server_process")),
    endColumn(page, rows, "client", "Client"),
    endColumn(page, rows, "server", "Server"),
    ...optional("service", textColumn(rows, "Service", "service")),
    bytesColumn(rows, "Bytes", both),
    bytesColumn(rows, "To server", [both[0]]),
    bytesColumn(rows, "To client", [both[1]]),
    countColumn(rows, "Packets", ["packets_to_server", "packets_to_client"]),
    ...optional("state", textColumn(rows, "State", "state")),
    evidenceColumn(page, rows),
  ];
  const searched = [
    "app", "client_ip", "server_ip", "client_port", "server_port", "hostname", "service", "protocol", "application_protocol", "state",
    "client_process", "server_process", "client_pid", "server_pid", "app_source", "unattributed_reason", "server_country",
    "server_network", "server_reverse_name", "interface", "namespace",
  ];
  const details = (row) => [...rows.columns.keys()].map((name) => [
    FIELD_TITLES[name] ?? name.replace(/_us$/, "").replaceAll("_", " "), fieldText(page, rows, name, row),
  ]).filter(([, text]) => text);
  const sortBy = columns.findIndex((column) => column.title === "Bytes");
  return pagedTable(place, rows, {
    caption: "Conversations", columns, searched, details, sortBy, pageSize: 25, hint: "dns  10.0.0.5  example.org:443",
  });
}

function fieldText(page, rows, name, row) {
  const value = rows.value(name, row);
  if (value === null) return "";
  if (name === "start_us") return momentText(page.startNs + value * 1000, { decimals: 6 });
  if (name === "duration_us") return durationText(value * 1000);
  if (name.startsWith("bytes_")) return `${countText(value)} B`;
  if (name.startsWith("packets_")) return countText(value);
  if (name === "unattributed_reason") return page.report.reasons[value] ?? visible(value);
  return rows.text(name, row);
}

function showTotals(page, tables) {
  const { coverage, window_ns: window } = page.report;
  const duration = window ? window[1] - window[0] : 0;
  const flows = tables.get("flow");
  const rate = duration ? `${bytesText((coverage.bytes * 1e9) / duration)}/s on average` : "";
  const conversations = [...Array(flows.count).keys()].filter((row) => flows.value("protocol", row) !== null).length;
  const tiles = [
    ["Traffic", bytesText(coverage.bytes), rate],
    ["Packets", countText(coverage.frames), coverage.dropped_by_kernel ? `${countText(coverage.dropped_by_kernel)} more were dropped` : ""],
    ["Duration", window ? durationText(duration) : "unknown", ""],
    ["Conversations", countText(conversations + flows.rowsLeftOut), flows.rowsLeftOut ? `${countText(conversations)} in this page` : ""],
    ["Attributed", shareText(coverage.bytes_attributed, page.credited), "of bytes have an app"],
  ];
  $("totals").replaceChildren(...tiles.map(([title, number, more]) => {
    const [tile, value] = [element("div"), element("dd", number)];
    if (more) value.append(element("small", more));
    tile.append(element("dt", title), value);
    return tile;
  }));
}

function showHead(page, tables) {
  const { source, window_ns: window } = page.report;
  const when = window ? `${momentText(window[0], { decimals: 0 })} to ${momentText(window[1], { decimals: 0, withDay: !page.onOneDay })} UTC` : "";
  $("source").textContent = [visible(source), when].filter(Boolean).join(" \u00b7 ");
  document.title = `Network traffic by app: ${visible(source)}`;
  const apps = tables.get("app");
  const first = Array.from({ length: Math.min(3, apps.count) }, (_, row) => {
    const bytes = apps.sum(["bytes_out", "bytes_in"], row);
    return `${page.nameOf(apps, row, "app")} ${bytesText(bytes)} (${shareText(bytes, page.credited)})`;
  });
  $("summary").textContent = first.length ? `Most traffic: ${first.join(", ")}.` : "There was no traffic.";
}

function showEvidence(page, apps) {
  const found = new Map();
  for (let row = 0; row < apps.count; row += 1) {
    const source = apps.value("app_source", row);
    const reason = apps.value("unattributed_reason", row);
    const name = source !== null ? SOURCES[source] : `no app: ${page.report.reasons[reason] ?? visible(reason ?? "unknown")}`;
    found.set(name, (found.get(name) ?? 0) + apps.sum(["bytes_out", "bytes_in"], row));
  }
  if (apps.rowsLeftOut) found.set("apps that are not in this page", apps.bytesLeftOut);
  const rows = madeRows("evidence", ["evidence", "bytes"], [...found]);
  pagedTable($("sources"), rows, {
    caption: "What the apps rest on", sortBy: 1,
    columns: [
      { title: "Evidence", name: "evidence", isHead: true, cell: (row, cell) => (cell.textContent = rows.value("evidence", row)) },
      bytesColumn(rows, "Bytes", ["bytes"]), shareColumn(rows, ["bytes"], page.credited),
    ],
  });
  const { bytes_attributed: attributed } = page.report.coverage;
  $("attributed").textContent = `${shareText(attributed, page.credited)} of the bytes have an app (${bytesText(attributed)} of ${bytesText(page.credited)}). Of an app the weakest evidence counts.`;
}

function showCoverage(page) {
  const { coverage, degradations } = page.report;
  const twice = coverage.bytes_credited_twice
    ? ` ${bytesText(coverage.bytes_credited_twice)} passed between two local ends and are credited to both, so apps and hosts add up to ${bytesText(page.credited)}.` : "";
  const dropped = coverage.dropped_by_kernel === null ? "" : ` The kernel dropped ${countedText(coverage.dropped_by_kernel, "packet")}.`;
  $("covered").textContent = `${countedText(coverage.frames, "packet")}, ${bytesText(coverage.bytes)}: each has one verdict.${twice}${dropped}`;
  const verdicts = Object.entries(coverage.verdicts).filter(([, frames]) => frames);
  const rows = madeRows("verdict", ["verdict", "frames"], verdicts);
  pagedTable($("verdicts"), rows, {
    caption: "Packets by verdict", sortBy: 1,
    columns: [
      { title: "Verdict", name: "verdict", isHead: true, cell: (row, cell) => (cell.textContent = visible(rows.value("verdict", row))) },
      countColumn(rows, "Packets", ["frames"]), shareColumn(rows, ["frames"], coverage.frames),
    ],
  });
  $("note-list").replaceChildren(...(degradations.length ? degradations : [null]).map((note) => {
    if (!note) return element("li", "None: nothing ran with less than it could.");
    const item = element("li");
    item.append(element("strong", `${visible(note.feature)}: `), visible(note.reason), ". ", element("em", `Remedy: ${visible(note.remedy)}.`));
    return item;
  }));
}

function showTimes(page, flows) {
  const times = page.report.over_time;
  if (!times.buckets.length) return;
  $("over-time").hidden = false;
  const names = times.series.map(({ name, is_rest: isRest }) => (isRest ? "all other apps" : name === null ? "(no app)" : visible(name)));
  let [legend, scheme] = [null, null];
  const onCursor = (rates) => legend?.forEach(({ now }, at) => (now.textContent = rates ? `${bytesText(rates[at])}/s` : ""));
  const onView = (first, last, drawn) => {
    const inside = times.buckets.map((bucket, at) => (bucket >= first && bucket < last ? at : -1)).filter((at) => at >= 0);
    const sums = times.series.map((series) => inside.reduce((sum, at) => sum + drawn.bytes(series, at), 0));
    const whole = sums.reduce((sum, one) => sum + one, 0);
    if (scheme !== drawn.scheme) legend = legendOf(names, drawn); // its swatches are of the other scheme
    scheme = drawn.scheme;
    legend.forEach(({ total, share }, at) => {
      total.textContent = bytesText(sums[at]);
      share.textContent = shareText(sums[at], whole);
    });
    const day = { withDay: !page.onOneDay, decimals: decimalsFor(drawn.stepS) };
    const steps = ` in steps of ${durationText(drawn.stepS * 1e9)}`;
    $("in-view").textContent = `${momentText(drawn.startNs(first), day)} to ${momentText(drawn.startNs(last), day)}: ${bytesText(whole)}${steps}`;
  };
  const chart = new TrafficChart($("chart"), times, onView, onCursor);
  for (const [id, act] of [
    ["zoom-in", () => chart.zoom(0.5)], ["zoom-out", () => chart.zoom(2)], ["earlier", () => chart.move(-0.5)],
    ["later", () => chart.move(0.5)], ["whole", () => chart.zoomTo(...chart.whole)],
  ]) $(id).addEventListener("click", act);
  $("direction").addEventListener("change", () => chart.show($("direction").value));
  $("bucket-numbers").addEventListener("toggle", () => bucketTable(page, times, names), { once: true });
}

function legendOf(names, chart) {
  const table = element("table");
  table.append(element("caption", "Apps of the chart, in the time shown", { className: "quiet" }), element("thead"), element("tbody"));
  const head = element("tr");
  for (const title of ["App", "Bytes", "Share", "At pointer"]) head.append(element("th", title, { scope: "col", className: { App: "", "At pointer": "number pointed" }[title] ?? "number" }));
  table.tHead.append(head);
  const cells = names.map((name, at) => {
    const line = element("tr");
    const [title, total, share, now] = [element("th", null, { scope: "row", className: "text" }), ...[0, 1, 2].map(() => element("td", "", { className: "number" }))];
    now.classList.add("pointed");
    const named = element("div");
    named.append(chart.swatch(at), element("span", name));
    title.append(named);
    line.append(title, total, share, now);
    table.tBodies[0].append(line);
    return { total, share, now };
  });
  const frame = element("div", null, { className: "frame", tabIndex: 0 });
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Apps of the chart");
  frame.append(table);
  $("legend").replaceChildren(frame);
  return cells;
}

function bucketTable(page, times, names) {
  const fields = ["bucket", ...names.map((_, at) => `series_${at}`)];
  const rows = madeRows("time", fields, times.buckets.map((bucket, at) => [bucket, ...times.series.map((series) => series.out[at] + series.in[at])]));
  pagedTable($("buckets"), rows, {
    caption: `Bytes in each ${durationText(times.width_ns)}, both ways`, sortBy: 0, pageSize: 25,
    columns: [
      {
        title: "Time", name: "bucket", isNumber: true, isHead: true,
        cell: (row, cell) => (cell.textContent = momentText(times.first_ns + rows.value("bucket", row) * times.width_ns)),
      },
      bytesColumn(rows, "All", fields.slice(1)),
      ...names.map((name, at) => bytesColumn(rows, name.length > 40 ? `${name.slice(0, 40)}...` : name, [fields[at + 1]])),
    ],
  });
}

function showGroups(page, tables) {
  const groups = [...tables.values()].filter((rows) => rows.by !== "flow");
  for (const rows of groups) {
    const [section, place] = [element("section", null, { id: `by-${rows.by}` }), element("div")];
    const title = element("h2", TITLES[rows.by], { id: `by-${rows.by}-title` });
    section.setAttribute("aria-labelledby", title.id);
    section.append(title, place);
    $("groups").append(section);
    groupTable(page, rows, place);
  }
  const targets = [
    ...(page.report.over_time.buckets.length ? [["over-time", "Over time"]] : []), ...groups.map(({ by }) => [`by-${by}`, TITLES[by]]),
    ["conversations", "Conversations"], ["evidence", "Evidence"], ["coverage", "What was read"], ["notes", "Notes"],
  ];
  $("sections").replaceChildren(...targets.map(([id, title]) => {
    const [item, link] = [element("li"), element("a", title)];
    link.href = `#${id}`;
    item.append(link);
    return item;
  }));
}

async function main() {
  const report = JSON.parse($("report").textContent);
  const page = new Page(report);
  const tables = new Map();
  for (const by of report.tables) tables.set(by, new Rows(await unpacked(`rows-${by}`)));
  showHead(page, tables);
  showTotals(page, tables);
  showTimes(page, tables.get("flow"));
  showGroups(page, tables);
  flowTable(page, tables.get("flow"), $("flow"));
  showEvidence(page, tables.get("app"));
  showCoverage(page);
  document.documentElement.dataset.state = "ready";
  performance.mark("shown");
}

main().catch((error) => {
  $("failure").textContent = `This page could not be shown: ${error.message}. It needs Chrome 80, Firefox 113, Safari 16.4 or later.`;
  $("failure").hidden = false;
  document.documentElement.dataset.state = "failed";
});
