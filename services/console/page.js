const labels = ["human", "suspect", "bot", "agent"];
const show = (id, parts) => document.getElementById(id).replaceChildren(...parts);
const make = (tag, text, kind) => { const e = document.createElement(tag); e.textContent = text ?? ""; if (kind) e.className = kind; return e; };
const row = (...cells) => { const r = make("tr"); r.append(...cells.map(c => make("td", c))); return r; };
// For this tab only, and only in memory of the browser: gone when it is closed.
const read = async url => {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(url, token ? { headers: { Authorization: "Bearer " + token } } : {});
  document.getElementById("sign-in").hidden = answer.status !== 401 && answer.status !== 403;
  if (!answer.ok) throw Object.assign(new Error(answer.status === 401 ? "it asks for a token" : (await answer.json()).detail), { status: answer.status });
  return answer.json();
};
document.getElementById("sign-in").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem("token", document.getElementById("token").value);
});
const unlessMissing = error => { if (error.status === 404) return null; throw error; };
const count = (n, of) => `${n.toLocaleString()} ${of}${n === 1 ? "" : "s"}`;
const span = s => s % 86400 === 0 ? count(s / 86400, "day") : s % 3600 === 0 ? count(s / 3600, "hour") : s % 60 === 0 ? count(s / 60, "minute") : count(s, "second");
const few = (names, total) => names.slice(0, 3).join(", ") + (total > 3 ? ` and ${(total - 3).toLocaleString()} more` : "");
// A campaign: what it is; who, what and how much; why.
const campaign = c => {
  const what = make("td", c.kind), more = make("td");
  what.append(make("small", "within " + span(c.scale_seconds)), make("small", new Date(c.last_at).toISOString().slice(0, 16).replace("T", " ")));
  const creators = c.creator_count ? ` of ${count(c.creator_count, "creator")}` : "";
  more.append(make("b", `${count(c.actor_count, "actor")}, ${count(c.target_count, "target")}${creators}`), make("span", ` · ${count(c.likes, "like")} that weigh ${c.weight.toLocaleString()}`));
  more.append(make("small", few(c.actors, c.actor_count)), make("small", "liked " + few(c.targets, c.target_count)));
  more.append(...c.evidence.slice(1).map(e => make("p", e)));
  const r = make("tr"); r.append(what, more); return r;
};
// How many pages of campaigns are shown, eight each.
let pages = 1;
document.getElementById("more").addEventListener("click", () => { pages += 1; campaigns().catch(failed); });
async function campaigns() {
  const kind = document.getElementById("kind").value;
  const list = await read(`/v1/campaigns?limit=${Math.min(8 * pages, 1000)}` + (kind ? "&kind=" + kind : ""));
  show("campaigns", list.campaigns.length ? list.campaigns.map(campaign) : [row("none yet")]);
  document.getElementById("more").hidden = list.next_cursor === null;
}
document.getElementById("kind").addEventListener("change", () => { pages = 1; campaigns().catch(failed); });
// A window: a column of likes by label, as high as its share of the busiest.
const column = most => w => {
  const e = make("div"), all = labels.reduce((n, l) => n + w.likes[l], 0);
  e.style.height = 100 * all / most + "%";
  e.title = `${new Date(w.window_start).toISOString().slice(0, 16).replace("T", " ")}: ` + labels.map(l => `${l} ${count(w.likes[l], "like")} of ${count(w.actors[l], "actor")}`).join(", ");
  e.append(...labels.map(l => { const part = make("i", "", l); part.style.flexGrow = w.likes[l]; return part; }));
  return e;
};
async function windows() {
  const list = (await read("/v1/windows?limit=96")).windows.reverse();
  const most = Math.max(1, ...list.map(w => labels.reduce((n, l) => n + w.likes[l], 0)));
  show("windows", list.length ? list.map(column(most)) : [make("span", "none closed yet")]);
}
const failed = error => show("state", [make("span", "cannot read the API: " + error.message)]);
async function likes() {
  const stats = await read("/v1/stats");
  const total = labels.reduce((n, l) => n + stats.likes[l], 0) || 1;
  show("bar", labels.map(l => { const e = make("div", "", l); e.style.width = 100 * stats.likes[l] / total + "%"; return e; }));
  show("key", labels.map(l => { const e = make("span"); e.append(make("i", "", l), `${l} ${stats.likes[l].toLocaleString()}`); return e; }));
  const p = stats.predictions;
  show("figures", "predictions" in p ? [row("likes predicted beforehand, among the first 10", (100 * p["hr@10"]).toFixed(1) + " %"), row("among the first 20", (100 * p["hr@20"]).toFixed(1) + " %"), row("mean surprise", p.surprise_bits.toFixed(2) + " bits"), row("predictions scored", p.predictions.toLocaleString())] : [row("none yet")]);
}
// What a like held in the mean, in bits, and what foretold it: the other order of the chain is in the sentence.
const parts = [["history", "their own past"], ["shown", "what was put before them"], ["rest", "neither"]];
const positive = (of, part) => Math.max(0, of[part]?.value ?? 0);
const held = of => parts.reduce((sum, [part]) => sum + positive(of, part), 0);
const bits = most => ([surface, of]) => {
  const line = make("div"), bar = make("div", "", "track");
  bar.style.width = 100 * held(of) / most + "%";
  bar.append(...parts.map(([part]) => { const e = make("i", "", part); e.style.flexGrow = positive(of, part); return e; }));
  bar.title = parts.map(([part]) => of[part]?.sentence ?? "").join(" ");
  line.append(make("span", surface), bar, make("small", parts.map(([part, by]) => of[part]?.identified ? `${of[part].value.toFixed(1)} by ${by}` : "").filter(Boolean).join(", ")));
  return line;
};
// A share, from 0 to 1: where it may lie, and where it is.
const interval = f => {
  const track = make("div", "", "interval");
  if (!f.identified || f.low === null || f.high === null || f.high > 1) return track;
  const low = Math.max(0, f.low), range = make("i"); range.style.left = 100 * low + "%"; range.style.width = Math.max(0.5, 100 * (f.high - low)) + "%";
  track.append(range);
  if (f.value !== null) { const at = make("b"); at.style.left = 100 * Math.max(0, f.value) + "%"; track.append(at); }
  track.title = `${f.value === null ? "" : f.value.toFixed(3) + ", "}${f.low.toFixed(3)} to ${f.high.toFixed(3)}; n ${f.n.toLocaleString()}`;
  return track;
};
const figure = f => {
  const r = make("tr"), said = make("td", f.identified ? f.sentence : `${f.figure.replaceAll("_", " ")}${f.by ? ` by ${f.by}` : ""}: ${f.sentence.toLowerCase()}`, f.identified ? "" : "unknown"), drawn = make("td");
  drawn.append(interval(f)); r.append(said, drawn); return r;
};
// What is not identified is folded away, below what is.
const figures = (id, all) => {
  const known = all.filter(f => f.identified), unknown = all.filter(f => !f.identified);
  show(id, known.map(figure));
  show(id + "-unknown", unknown.map(figure));
  show(id + "-more", [make("span", unknown.length ? `${count(unknown.length, "figure")} not identified, and why` : "")]);
  document.getElementById(id + "-more").parentElement.hidden = !unknown.length;
};
async function choice() {
  const found = await read("/v1/choice").catch(unlessMissing);
  const all = found ? found.figures : [], of_bits = all.filter(f => f.figure === "choice_bits" && f.identified), by = new Map();
  for (const f of of_bits) by.set(f.surface, { ...by.get(f.surface), [f.bits_of]: f });
  show("choice-about", found ? [`Of likes that people gave, until ${found.as_of.slice(0, 16).replace("T", " ")}; of groups only. Intervals hold at every look.`] : ["none measured yet"]);
  show("bits-key", by.size ? parts.map(([part, what]) => { const e = make("span"); e.append(make("i", "", part), "foretold by " + what); return e; }) : []);
  show("bits", [...by].map(bits(Math.max(1, ...[...by.values()].map(held)))));
  figures("choice", all.filter(f => f.figure !== "choice_bits" || !f.identified));
}
// A chart: the first places by all likes on the left, by people's on the right, and a line for what is in both. Its
// colour is that of who gave most of the likes.
const PLACES = 10, LINE = 26, LEFT = 250, RIGHT = 470, WIDE = 720;
const svg = (tag, attributes, text) => { const e = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v); if (text !== undefined) e.textContent = text; return e; };
const short = id => id.length > 26 ? id.slice(0, 25) + "\u2026" : id;
const slopes = c => {
  const first = by => c.entries.slice().sort(by).slice(0, PLACES);
  const raw = first((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1)), human = first((a, b) => a.human_rank - b.human_rank || (a.id < b.id ? -1 : 1));
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${LINE * (PLACES + 1)}`, role: "img", "aria-label": `The first ${PLACES} by all likes and by people's` }), y = place => LINE * (place + 1.6);
  picture.append(svg("text", { x: LEFT, y: LINE * .7, "text-anchor": "end", class: "head" }, "by all likes"), svg("text", { x: RIGHT, y: LINE * .7, class: "head" }, "by people's"));
  const kind = e => e.from_machines > .5 ? "machines" : "people";
  raw.forEach((e, at) => {
    const to = human.indexOf(e), text = svg("text", { x: LEFT, y: y(at), "text-anchor": "end", class: kind(e) }, `${short(e.id)} \u00b7 ${e.likes.toLocaleString()}`);
    text.append(svg("title", {}, `${e.id}: ${count(e.likes, "like")}, ${(100 * e.from_machines).toFixed(0)} % of them from bots and agents`));
    picture.append(text, svg("line", { x1: LEFT + 6, y1: y(at) - 5, x2: to < 0 ? LEFT + 40 : RIGHT - 6, y2: to < 0 ? y(at) - 5 : y(to) - 5, class: kind(e) + (to < 0 ? " out" : "") }));
  });
  human.forEach((e, at) => {
    const [from, to] = e.human_ranks, text = svg("text", { x: RIGHT, y: y(at), class: kind(e) }, `${Math.round(e.human_weight).toLocaleString()} \u00b7 ${short(e.id)}`);
    text.append(svg("title", {}, `${e.id}: among people's likes place ${from}${to === from ? "" : ` to ${to ?? "any below"}`}; by all likes ${e.rank}`));
    picture.append(text);
  });
  return picture;
};
const percent = share => (100 * share).toFixed(1) + " %";
const told = c => `${c.name}: ${count(c.n, "like")} that weigh ${Math.round(c.human_weight).toLocaleString()}; ${percent(c.ai_liked ?? 0)} from bots and agents, ${c.ai_made ? percent(c.ai_made.low) + " of what is declared AI-made" : ""}. Of the first ${c.size} ${c.slots_changed} are others among people; rank-biased overlap ${c.overlap.extrapolated.toFixed(2)} (${c.overlap.least.toFixed(2)} to ${c.overlap.most.toFixed(2)}).${c.exact ? "" : ` What is not listed had at most ${count(c.error, "like")}.`}`;
async function charts() {
  const asked = ["period", "of"].map(id => `${id}=${document.getElementById(id).value}`).join("&");
  const chart = await read("/v1/charts?" + asked).catch(unlessMissing);
  show("chart-about", [make("span", chart ? told(chart) : "none counted yet")]);
  show("slopes", chart ? [slopes(chart)] : []);
}
for (const id of ["period", "of"]) document.getElementById(id).addEventListener("change", () => charts().catch(failed));
async function loop() {
  const found = await read("/v1/loop").catch(unlessMissing);
  figures("loop", found ? found.figures : []);
  if (!found) show("loop", [row("none measured yet")]);
}
async function refresh() {
  try {
    await Promise.all([likes(), windows(), choice(), charts(), loop(), campaigns()]);
    show("state", []);
  } catch (error) { failed(error); }
  setTimeout(refresh, 2000);
}
refresh();
