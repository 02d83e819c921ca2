"use strict";
/* Draws what /stream sends. Every text from mail gets into the page as a text, never as markup. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  const count = (n) => n.toLocaleString("en");
  let last = null;

  /* element("td.num", {title: "x"}, "text", another, ...) */
  const make = (space) => (name, attributes, ...children) => {
    const [tag, ...classes] = name.split(".");
    const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
    if (classes.length) node.setAttribute("class", classes.join(" "));
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
    return node;
  };
  const element = make(null), shape = make(SVG);

  const time = (ms) => (ms ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "");
  const day = (text) => `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
  const duration = (s) => {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]])
      if (s >= 2 * length) return `${Math.floor(s / length)} ${unit}`;
    return `${Math.round(s)} s`;
  };

  /* A table; a cell is a text, a node, or [text, class]. */
  function table(caption, heads, rows, kind = "cards") {
    const cell = (value, i) => {
      const [content, type] = Array.isArray(value) ? value : [value, ""];
      const empty = content === "" || content === null || content === undefined;
      const node = element("td", {"data-name": heads[i]}, empty ? "" : content);
      node.className = `${type} ${empty ? "empty" : ""}`.trim();
      return node;
    };
    return element("div.scroll", {}, element(`table.${kind}`, {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head, i) => element(rows[0]?.[i]?.[1] === "num" ? "th.num" : "th", {scope: "col"}, head)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell))))));
  }

  /* A table of the first rows, and the others to be opened: a phone shows each row as a card. */
  function longTable(caption, heads, rows, most) {
    const first = table(caption, heads, rows.slice(0, most));
    if (rows.length <= most) return [first];
    const more = `${rows.length - most} more`;
    return [first, element("details", {}, element("summary", {}, more), table(more, heads, rows.slice(most)))];
  }

  /* Replaces what is in a node only where it differs: what has the focus, or is open, stays so. */
  function show(id, ...nodes) {
    const box = $(id), next = element("div", {}, ...nodes);
    if (box.dataset.shown === next.innerHTML) return;
    const open = [...box.querySelectorAll("details")].map((details) => details.open);
    const focused = box.contains(document.activeElement) ? document.activeElement : null;
    const alike = () => [...box.querySelectorAll(focused.tagName)].filter((node) => node.getAttribute("href") === focused.getAttribute("href"));
    const place = focused ? alike().indexOf(focused) : 0;
    box.dataset.shown = next.innerHTML;
    box.replaceChildren(...next.childNodes);
    box.querySelectorAll("details").forEach((details, i) => { details.open = Boolean(open[i]); });
    if (focused) alike()[place]?.focus();
  }

  /* The names that count most, the others together. */
  function series(days, by, most) {
    const sums = new Map();
    for (const d of days)
      for (const [name, n] of Object.entries(d[by])) sums.set(name, (sums.get(name) || 0) + n);
    const names = [...sums].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const shown = names.length > most ? names.slice(0, most - 1) : names;
    const list = shown.map(([name, sum]) => ({name, sum, of: (d) => d[by][name] || 0}));
    if (names.length > shown.length) {
      const rest = names.slice(shown.length).map(([name]) => name);
      const of = (d) => rest.reduce((n, name) => n + (d[by][name] || 0), 0);
      list.push({name: `${rest.length} others`, sum: days.reduce((n, d) => n + of(d), 0), of});
    }
    return list;
  }

  /* The top of an axis: a quarter of it is a whole number. */
  function ceiling(n) {
    if (n <= 8) return 8;
    const power = 10 ** Math.max(Math.floor(Math.log10(n)), 1);
    return [0.8, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].map((f) => Math.round(f * power)).find((top) => top >= n);
  }

  /* Stacked bars, a day each. */
  function drawTime(days, by) {
    const list = series(days, by, 8);
    const total = (d) => list.reduce((n, s) => n + s.of(d), 0);
    const top = ceiling(Math.max(...days.map(total)));
    const narrow = $("time").clientWidth < 560;
    const width = narrow ? 360 : 900, height = 240, left = 48, bottom = 22, step = (width - left) / days.length;
    const y = (n) => 8 + (height - bottom - 8) * (1 - n / top);
    const parts = [0, 0.25, 0.5, 0.75, 1].map((part) => shape("g", {},
      shape("line.axis", {x1: left, x2: width, y1: y(top * part), y2: y(top * part)}),
      shape("text", {x: left - 8, y: y(top * part) + 4, "text-anchor": "end"}, count(top * part))));
    days.forEach((d, i) => {
      let below = 0;
      list.forEach((s, k) => {
        const n = s.of(d);
        if (!n) return;
        parts.push(shape(`rect.f${k}`, {x: (left + i * step + step * 0.12).toFixed(1), y: y(below + n).toFixed(1),
          width: (step * 0.76).toFixed(1), height: Math.max(y(below) - y(below + n), 0.5).toFixed(1)},
          shape("title", {}, `${day(d.day)} ${s.name}: ${count(n)}`)));
        below += n;
      });
      if ((days.length - 1 - i) % (narrow ? 10 : 7) === 0)
        parts.push(shape("text", {x: (left + (i + 0.5) * step).toFixed(1), y: height - 4,
          "text-anchor": i > days.length - 3 ? "end" : "middle"}, day(d.day).slice(5)));
    });
    const words = list.map((s) => `${s.name} ${count(s.sum)}`).join(", ") || "nothing yet";
    const label = `Events of each of the last ${days.length} days by ${by}: ${words}`;
    return element("figure", {},
      shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label}, ...parts),
      element("ul.legend", {}, ...list.map((s, k) =>
        element("li", {}, element(`i.f${k}`, {"aria-hidden": "true"}), `${s.name} ${count(s.sum)}`))),
      element("details", {}, element("summary", {}, "The same as a table"),
        table(label, ["day", ...list.map((s) => s.name)],
          days.filter(total).reverse().map((d) => [[day(d.day), "word"], ...list.map((s) => [count(s.of(d)), "num"])]),
          "plain")));
  }

  function drawBars(days, by, caption) {
    const list = series(days, by, 12), most = Math.max(...list.map((s) => s.sum), 1);
    if (!list.length) return element("p.none", {}, "Nothing yet.");
    const bar = (n) => shape("svg", {viewBox: "0 0 100 10", preserveAspectRatio: "none", height: "14", "aria-hidden": "true"},
      shape("rect.f2", {x: 0, y: 0, height: 10, width: Math.max((100 * n) / most, 0.7).toFixed(1)}));
    return element("table.bars", {}, element("caption", {}, caption), element("tbody", {}, ...list.map((s) => element("tr", {},
      element("th", {scope: "row"}, s.name), element("td.bar", {}, bar(s.sum)), element("td.num", {}, count(s.sum))))));
  }

  function drawTiles(data) {
    const today = data.days?.at(-1);
    const open = (data.incidents || []).filter((incident) => !incident.over_ms).length;
    const aside = data.sources.reduce((n, s) => n + s.set_aside, 0);
    const tiles = today ? [["events today", today.events], ["hard today", today.type.hard || 0],
      ["soft today", today.type.soft || 0], ["complaints today", today.kind.complaint || 0],
      ["suppressed", data.suppressed.total], ["held", data.held.total],
      ["outages now", open, open > 0]] : [];
    tiles.push(["set aside", aside, aside > 0]);
    show("tiles", ...tiles.map(([name, n, bad]) =>
      element(bad ? "div.bad" : "div", {}, element("dt", {}, name), element("dd", {}, count(n)))));
  }

  const readEvents = (texts) => texts.flatMap((text) => {
    try { return [JSON.parse(text)]; } catch { return []; }
  });

  const addressLink = (address) => element("a", {href: `#${encodeURIComponent(address)}`}, address);

  function eventRow(e) {
    const held = (e.decisions || []).some((decision) => decision.state === "held");
    const said = e.diagnostic || [e.smtp_code, e.status].filter(Boolean).join(" ");
    return [[String(e.observed_at || "").slice(0, 19).replace("T", " "), "word"], e.recipient ? addressLink(e.recipient) : "",
      [[e.type, e.kind].filter(Boolean).join(" "), e.type === "hard" ? "hard" : ""], e.reason || "",
      held ? "held" : [e.action || "", e.action], e.provider || "", [said.length > 200 ? `${said.slice(0, 200)}…` : said, "said"], e.rule || ""];
  }
  const eventHeads = ["time (UTC)", "recipient", "kind", "reason", "action", "provider", "the server said", "rule"];

  function drawEvents(data) {
    const word = $("filter").value.trim().toLowerCase();
    const events = readEvents(data.events || []);
    const shown = events.filter((e) => !word || JSON.stringify(e).toLowerCase().includes(word));
    show("events", ...(shown.length
      ? longTable(`${shown.length} of the last ${events.length}; ${count(data.n_events || 0)} in the stream`, eventHeads, shown.map(eventRow), 10)
      : [element("p.none", {}, events.length ? "None of the last events." : "No events yet.")]));
  }

  /* Why addresses are where they are, and the latest of them. */
  function drawList({total, counted, list, ...counts}, end, most) {
    const whose = (n) => (n < total ? `, of ${count(n)} of them` : "");
    const sum = Object.values(counts.provider).reduce((n, m) => n + m, 0);
    return [element("div.pair", {}, drawBars([counts], "reason", `By reason${whose(counted)}`),
      drawBars([counts], "provider", `By provider${whose(sum)}`)),
      ...longTable(list.length < total ? `${count(list.length)} of ${count(total)} addresses, the latest first` : `${count(total)} addresses, the latest first`, ["address", "reason", "provider", "rule", "since (UTC)", end],
        list.map((a) => [addressLink(a.address), a.reason, a.provider, a.rule, [time(a.since_ms), "word"], [time(a.until_ms) || "for good", "word"]]), most)];
  }

  function drawAddresses(data) {
    show("suppressed", ...(data.suppressed.total ? drawList(data.suppressed, "until", 10) : [element("p.none", {}, "Nobody is suppressed.")]));
    show("held", ...(data.held.total ? drawList(data.held, "forgotten", 3) : [element("p.none", {}, "Nothing is held back.")]));
  }

  /* What the guard takes for outages of a provider. */
  function drawIncidents({incidents, held}) {
    $("outages").hidden = !incidents.length && !held.total;
    show("incidents", ...(incidents.length ? [table("The last outages", ["provider", "answer", "began (UTC)", "over (UTC)", "held now"],
      incidents.map((i) => [i.provider, i.answer, [time(i.began_ms), "word"], [time(i.over_ms) || "not yet", i.over_ms ? "word" : "bad"],
        [count(held.provider[i.provider] || 0), "num"]]))] : []));
  }

  function drawEnds(data) {
    show("sources", table("Sources", ["source", "where", "oldest in work", "in work", "settled", "set aside", "postponed"],
      data.sources.map((s) => [s.name, s.where, [s.lag_s ? duration(s.lag_s) : "nothing waits", "num"],
        [count(s.in_progress), "num"], [count(s.settled), "num"], [count(s.set_aside), "num"], [count(s.postponed), "num"]])));
    show("sinks", table("Sinks", ["sink", "where", "behind"], [
      ["Redis", data.redis, [data.obstacle === "Redis is away" ? "away" : `${count(data.queue_done)} of ${count(data.queue_max)} messages`, "num"]],
      ...data.sinks.map((s) => [s.name, s.where, [s.lag_s ? duration(s.lag_s) : "nothing waits", "num"]])]));
  }

  function state(text, good) {
    const node = $("state");
    if (node.textContent !== text) node.textContent = text;
    node.className = `state ${good ? "good" : "bad"}`;
    document.title = good ? "dsnd" : `dsnd: ${text}`;
  }

  function draw(data) {
    last = data;
    state(data.obstacle || "ready", !data.obstacle);
    $("about").textContent = `version ${data.version}, started ${time(data.started_ms)} UTC,`;
    $("when").textContent = `as of ${time(Date.now())} UTC`;
    drawTiles(data);
    drawEnds(data);
    if (!data.days) return;
    show("time", drawTime(data.days, document.querySelector("[name=by]:checked").value));
    show("reasons", drawBars(data.days, "reason", "Events, 30 days"));
    show("providers", drawBars(data.days, "provider", "Events, 30 days"));
    drawIncidents(data);
    drawAddresses(data);
    drawEvents(data);
  }

  function drawFound(known) {
    if (!known.fields.length && !known.suppressed)
      return [element("p", {}, `Nothing is known of ${known.address}: it may be mailed.`)];
    const facts = [["on the suppression list", known.suppressed ? "yes" : "no"]];
    for (let i = 0; i + 1 < known.fields.length; i += 2) {
      const [name, value] = [known.fields[i], known.fields[i + 1]];
      if (/^(last_)?(event|entry)$/.test(name)) continue; /* they are below */
      facts.push([name.replaceAll("_", " "), /^(since|.*_seen|until|latest)$/.test(name) && Number(value) ? `${time(Number(value))} UTC` : value]);
    }
    const events = readEvents(known.events);
    return [element("h3", {}, known.address),
      element("dl.facts", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      ...(events.length ? [table("What decided, and what came last", eventHeads, events.map(eventRow))] : [])];
  }

  async function lookUp() {
    const answer = await fetch(`address?q=${encodeURIComponent($("q").value)}`).catch(() => null);
    if (answer?.ok) show("found", ...drawFound(await answer.json()));
    else show("found", element("p.note", {}, answer ? await answer.text() : "dsnd does not answer."));
  }
  /* An address in the link, as in "/#someone@example.com", is looked up at once. */
  function followLink() {
    const address = new URLSearchParams(`q=${location.hash.slice(1).replaceAll("+", "%2B")}`).get("q");
    if (!address.includes("@")) return;
    $("q").value = address;
    $("h-search").focus();
    lookUp();
  }
  $("search").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    history.replaceState(null, "", `#${encodeURIComponent($("q").value)}`);
    lookUp();
  });
  addEventListener("hashchange", followLink);
  followLink();
  for (const choice of document.querySelectorAll("[name=by]"))
    choice.addEventListener("change", () => last && draw(last));
  $("filter").addEventListener("input", () => last && drawEvents(last));
  addEventListener("resize", () => last && draw(last));

  const source = new EventSource("stream");
  source.addEventListener("message", (message) => draw(JSON.parse(message.data)));
  source.addEventListener("error", () => state("connection lost", false));
})();
