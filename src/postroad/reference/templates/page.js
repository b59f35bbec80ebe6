
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const chosen = { server: "", host: "", key: "", strict: true };
  let language = "curl";

  // What stands in quotes in a snippet has to stay a string of that language.
  const quoted = (text, panel) => {
    if (panel === "curl" || panel === "sh") return text.replaceAll("'", "'\\''");
    return panel ? JSON.stringify(text).slice(1, -1) : text;
  };

  const fill = () => {
    root.classList.toggle("lenient", !chosen.strict);
    for (const mark of all("[data-fill]")) {
      const text = chosen[mark.dataset.fill] || "YOUR_WRITE_KEY";
      mark.textContent = quoted(text, mark.closest("[data-panel]")?.dataset.panel);
    }
  };

  const readSetup = (form) => {
    chosen.server = form.elements.server.value;
    chosen.host = chosen.server.replace(/^.*?:\/\//, "");
    chosen.key = form.elements.key.value.trim();
    chosen.strict = form.elements.strict.checked;
    fill();
  };

  // The address that the reader has opened goes first, if it takes calls, whether it is configured or not. The browser
  // knows it; the server is not asked, so that the page is the same for everybody.
  const putOwnFirst = (select) => {
    const places = document.querySelector("#servers .places");
    const rows = all("li", places);
    const known = [...select.options].findIndex((option) => option.value === location.origin);
    const option = select.options[known] ?? new Option("This address", location.origin);
    const row = rows[known] ?? element("li", "");
    if (known < 0) row.append(element("span", "This address, for any region's keys"), element("code", location.origin));
    select.prepend(option);
    places.prepend(row);
    select.value = location.origin;
  };

  const show = (card, name) => {
    for (const tab of all("[role=tab]", card)) {
      const selected = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    for (const panel of all(".panel", card)) panel.classList.toggle("shown", panel.dataset.panel === name);
    card.querySelector(".copy").hidden = name === "Try it";
  };

  // A language is chosen for the whole page; the card that was clicked stays where it is on the screen.
  const choose = (card, name) => {
    const before = card.getBoundingClientRect().top;
    if (name === "Try it") {
      show(card, name);
      return;
    }
    language = name;
    for (const other of all(".request")) {
      const trying = other !== card && other.querySelector(".try.shown");
      if (!trying) show(other, name);
    }
    window.scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
  };

  const step = (event) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const tabs = all("[role=tab]", event.currentTarget);
    const place = tabs.indexOf(document.activeElement);
    const next = Number.isFinite(move) ? tabs[(place + move + tabs.length) % tabs.length] : tabs.at(move < 0 ? 0 : -1);
    choose(next.closest(".card"), next.dataset.tab);
    next.focus();
  };

  // `innerText` leaves out the strict mode line while it is hidden.
  const copy = async (button) => {
    const code = button.closest(".card").querySelector(".panel.shown code, :scope > pre code");
    try {
      await navigator.clipboard.writeText(code.innerText);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  };

  const element = (name, text, kind = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = kind;
    return made;
  };

  const pretty = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };

  const tell = (outcome, status, words, parts) => {
    const line = element("p", "");
    line.append(element("span", status, `status ${status === "200" ? "good" : "bad"}`), words);
    const blocks = parts.filter(Boolean).map((text) => {
      const block = element("pre", text);
      block.tabIndex = 0;
      return block;
    });
    outcome.replaceChildren(line, ...blocks);
  };

  const basic = (key) => "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(`${key}:`)));

  const request = (card) => {
    const text = card.querySelector("textarea")?.value;
    const headers = {};
    if (text !== undefined) headers["Content-Type"] = "application/json";
    if (text !== undefined && chosen.key) headers.Authorization = basic(chosen.key);
    if (text !== undefined && chosen.strict) headers["X-Strict-Mode"] = "1";
    const path = card.dataset.path.replace("{key}", encodeURIComponent(chosen.key || "YOUR_WRITE_KEY"));
    // Without `omit` a browser would ask for a password by itself on 401.
    const options = { method: card.dataset.method, headers, body: text, credentials: "omit", cache: "no-store" };
    return fetch(chosen.server + path, options);
  };

  const send = async (form) => {
    const card = form.closest(".card");
    const outcome = card.querySelector(".outcome");
    const button = form.querySelector(".primary");
    button.disabled = true;
    const began = performance.now();
    try {
      const answer = await request(card);
      const body = await answer.text();
      const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      tell(outcome, String(answer.status), `${Math.round(performance.now() - began)} ms`, [lines, pretty(body)]);
    } catch (error) {
      const hint = `No answer from ${chosen.server}. Is the server running, and does this page's address reach it?`;
      tell(outcome, "failed", hint, [String(error)]);
    } finally {
      button.disabled = false;
    }
  };

  // Marks the last section whose top has come up to the bar, or the last of all at the page's end.
  const follow = () => {
    const sections = all("main .row");
    const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
    const mark = () => {
      const passed = sections.filter((section) => section.getBoundingClientRect().top < 160);
      const ended = scrollY > 0 && scrollY + innerHeight >= root.scrollHeight - 2;
      const current = links.get(((ended ? sections : passed).at(-1) ?? sections[0]).id);
      if (current.hasAttribute("aria-current")) return;
      for (const link of links.values()) link.removeAttribute("aria-current");
      current.setAttribute("aria-current", "true");
      const list = document.querySelector("nav");
      const place = current.offsetTop - list.clientHeight / 2;
      if (list.scrollHeight > list.clientHeight) list.scrollTo({ top: place, behavior: "instant" });
    };
    addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
    mark();
  };

  const theme = () => {
    const dark = getComputedStyle(root).colorScheme === "dark"
      || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
  };

  addEventListener("DOMContentLoaded", () => {
    const setup = document.querySelector(".setup");
    const menu = document.querySelector(".menu");
    const open = (wanted) => menu.setAttribute("aria-expanded", String(wanted));
    if (setup.elements.server.hasAttribute("data-own")) putOwnFirst(setup.elements.server);
    readSetup(setup);
    setup.addEventListener("input", () => readSetup(setup));
    setup.addEventListener("submit", (event) => event.preventDefault());
    document.querySelector(".theme").addEventListener("click", theme);
    menu.addEventListener("click", () => open(menu.getAttribute("aria-expanded") !== "true"));
    document.querySelector("#contents").addEventListener("click", (event) => { if (event.target.closest("a")) open(false); });
    for (const button of all(".copy")) button.addEventListener("click", () => copy(button));
    for (const card of all(".request")) {
      show(card, language);
      const tabs = card.querySelector(".tabs");
      tabs.addEventListener("keydown", step);
      tabs.addEventListener("click", (event) => {
        const tab = event.target.closest("[role=tab]");
        if (tab) choose(card, tab.dataset.tab);
      });
      card.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        send(event.currentTarget);
      });
    }
    follow();
  });
})();
