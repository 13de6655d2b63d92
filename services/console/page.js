const labels = ["human", "suspect", "bot", "agent"];
const show = (id, parts) => document.getElementById(id).replaceChildren(...parts);
const make = (tag, text, kind) => { const e = document.createElement(tag); e.textContent = text ?? ""; if (kind) e.className = kind; return e; };
const row = (...cells) => { const r = make("tr"); r.append(...cells.map(c => make("td", c))); return r; };
// For this tab only, and only in memory of the browser: gone when it is closed.
const read = async url => {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(url, token ? { headers: { Authorization: "Bearer " + token } } : {});
  document.getElementById("door").hidden = answer.status !== 401 && answer.status !== 403;
  if (!answer.ok) throw new Error(answer.status === 401 ? "it asks for a token" : (await answer.json()).detail);
  return answer.json();
};
document.getElementById("door").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem("token", document.getElementById("token").value);
});
async function refresh() {
  try {
    const [stats, list] = await Promise.all(["/v1/stats", "/v1/campaigns?limit=8"].map(read));
    const total = labels.reduce((n, l) => n + stats.likes[l], 0) || 1;
    show("bar", labels.map(l => { const e = make("div", "", l); e.style.width = 100 * stats.likes[l] / total + "%"; return e; }));
    show("key", labels.map(l => { const e = make("span"); e.append(make("i", "", l), `${l} ${stats.likes[l].toLocaleString()}`); return e; }));
    const p = stats.predictions;
    show("figures", "predictions" in p ? [row("likes predicted beforehand, among the first 10", (100 * p["hr@10"]).toFixed(1) + " %"), row("among the first 20", (100 * p["hr@20"]).toFixed(1) + " %"), row("mean surprise", p.surprise_bits.toFixed(2) + " bits"), row("predictions scored", p.predictions.toLocaleString())] : [row("none yet")]);
    show("campaigns", list.campaigns.length ? list.campaigns.map(c => row(`${c.actor_count} actors, ${c.target_count} targets`, c.sentence)) : [row("none yet")]);
    show("state", []);
  } catch (error) { show("state", [make("span", "cannot read the API: " + error.message)]); }
  setTimeout(refresh, 2000);
}
refresh();
