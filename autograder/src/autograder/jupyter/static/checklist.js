// The live checklist (see checklist.py). What a learner or a check wrote only ever becomes text, never markup.
// What each command changed is drawn by `changesPanel`, at the end.
const PING = 2000; // milliseconds between two questions whether the kernel still answers
const SILENCE = 6500; // after so many without an answer the list says that it isn't live

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** One line of Markdown (code, strong, emphasis) as nodes. */
function inline(text) {
  const pattern = /`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*/g;
  const nodes = [];
  let at = 0;
  for (const match of (text || "").matchAll(pattern)) {
    nodes.push(text.slice(at, match.index));
    const tag = match[1] ? "code" : match[2] ? "strong" : "em";
    nodes.push(make(tag, {}, match[1] || match[2] || match[3]));
    at = match.index + match[0].length;
  }
  return [...nodes, (text || "").slice(at)];
}

/** Read or write what the learner folded, where the browser keeps such things. */
function remembered(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`wheelhouse-${name}`);
    localStorage.setItem(`wheelhouse-${name}`, value);
  } catch {
    /* private browsing */
  }
  return null;
}

function render({ model, el }) {
  const signs = model.get("signs");
  const words = model.get("words");
  const number = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  const summary = make("span", { class: "wh-summary", role: "status", "aria-live": "polite" });
  const bar = make("progress", { "aria-label": "Points earned" });
  const notice = make("p", { class: "wh-notice" }, ...inline(model.get("notice")));
  notice.hidden = !model.get("notice");
  const wish = make("p", { class: "wh-notice" });
  const changes = changesPanel(model);
  const list = make("ol", { class: "wh-tasks" });
  const checkNow = make("button", { type: "button", class: "wh-checknow" }, "Check now");
  const trying = make("div", { class: "wh-trying" });
  const tryingBar = make("progress", { "aria-label": "Checks tried" });
  const tryingText = make("span", {});
  trying.append(tryingBar, tryingText);
  const terminal = model.get("terminal");
  const openShell = make(
    "button",
    {
      type: "button",
      class: "wh-main",
      "data-commandlinker-command": "terminal:open",
      "data-commandlinker-args": JSON.stringify({ name: terminal }),
    },
    "Open the shell",
  );
  openShell.hidden = !terminal;
  const startOver = make("button", { type: "button" }, "Start over");
  const question = make("span", { class: "wh-question", role: "group", "aria-label": "Start over?" });
  const yes = make("button", { type: "button", class: "wh-danger" }, "Yes, start over");
  const no = make("button", { type: "button" }, "No, keep my work");
  question.append("Put every file back to the start? ", yes, " ", no);
  question.hidden = true;
  const message = make("p", { class: "wh-message", role: "status", "aria-live": "polite" });
  const stale = make("p", { class: "wh-stale", role: "status", "aria-live": "polite" });

  const foot = make("p", { class: "wh-foot" });
  const footStale = make("p", { class: "wh-foot wh-stale", "aria-hidden": "true" }, "Not live: run this cell again.");
  footStale.hidden = true; // the same sentence at the other end of a long list; it is read aloud only once
  const root = make(
    "section",
    { class: "wh-checklist", "aria-label": `Checklist: ${model.get("title")}` },
    make(
      "div",
      { class: "wh-head" },
      make("strong", { class: "wh-title" }, model.get("title")),
      summary,
      bar,
    ),
    changes.latest,
    stale,
    notice,
    wish,
    list,
    make("div", { class: "wh-buttons" }, openShell, checkNow, startOver, question),
    trying,
    message,
    changes.root,
    foot,
    footStale,
  );
  el.append(root);

  const hintBoxes = new Map(); // by task; kept, since only a change inside a status is read aloud
  const shown = new Set(); // checks that were shown as done: only a new tick moves
  let drawn = false;
  const chosen = new Map(); // which checks the learner unfolded or folded, against our own choice

  function reasons(check, open) {
    const key = check.check;
    const details = make(
      "details",
      { open: chosen.has(key) ? chosen.get(key) : open },
      make("summary", { "data-focus": `why-${key}` }, check.state === "error" ? "What broke" : "What was found"),
    );
    details.addEventListener("toggle", () => {
      if (details.open !== (chosen.has(key) ? chosen.get(key) : open)) chosen.set(key, details.open);
    });
    const rows = make("dl", {});
    for (const [name, label] of [["expected", "Expected"], ["found", "Found"], ["next_step", "Next step"]]) {
      if (check[name]) rows.append(make("dt", {}, label), make("dd", {}, ...inline(check[name])));
    }
    details.append(rows);
    return details;
  }

  function drawTask(task, first) {
    const checks = make("ul", {});
    let firstFailure = first;
    for (const check of task.checks) {
      const fresh = check.state === "passed" && drawn && !shown.has(check.check) ? " wh-new" : "";
      if (check.state === "passed") shown.add(check.check);
      else shown.delete(check.check);
      const item = make(
        "li",
        { class: `wh-check wh-${check.state}${fresh}`, "data-check": check.check },
        make("span", { class: "wh-sign", "aria-hidden": "true" }, signs[check.state]),
        make("span", { class: "wh-says" }, ...inline(check.says)),
        make("span", { class: "wh-word" }, words[check.state]),
      );
      if (check.state === "failed" || check.state === "error") {
        item.append(reasons(check, firstFailure));
        firstFailure = false;
      }
      checks.append(item);
    }
    const head = make(
      "div",
      { class: "wh-taskhead" },
      make("span", { class: "wh-sign", "aria-hidden": "true" }, signs[task.state]),
      make("span", { class: "wh-tasktitle" }, `Task ${task.task}: ${task.title}`),
      make("span", { class: "wh-word" }, `${words[task.state]}, ${task.score} of ${number(task.points, "point")}`),
    );
    const item = make("li", { class: `wh-task wh-${task.state}`, "data-task": task.task, "data-state": task.state }, head, checks);
    if (task.state !== "passed") {
      const button = make("button", { type: "button", class: "wh-hint", "data-focus": `hint-${task.task}` }, "Hint");
      button.setAttribute("aria-label", `Hint for task ${task.task}`);
      button.addEventListener("click", () => model.send({ type: "hint", task: task.task }));
      head.append(button);
    }
    if (!hintBoxes.has(task.task)) hintBoxes.set(task.task, make("p", { class: "wh-hinttext", role: "status", "aria-live": "polite" }));
    const hint = hintBoxes.get(task.task);
    hint.hidden = task.state === "passed";
    item.append(hint);
    return item;
  }

  function draw() {
    const tasks = model.get("tasks");
    const done = tasks.filter((task) => task.state === "passed").length;
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    let first = true;
    list.replaceChildren(
      ...tasks.map((task) => {
        const item = drawTask(task, first);
        if (task.state === "failed" || task.state === "error") first = false;
        return item;
      }),
    );
    if (focused) list.querySelector(`[data-focus="${focused}"]`)?.focus();
    bar.max = model.get("points") || 1;
    bar.value = model.get("score");
    const all = tasks.length > 0 && done === tasks.length;
    const text = all
      ? `All ${tasks.length} tasks done: ${model.get("points")} of ${model.get("points")} points`
      : `${done} of ${number(tasks.length, "task")} done, ${model.get("score")} of ${model.get("points")} points`;
    if (summary.textContent !== text) summary.textContent = text;
    root.classList.toggle("wh-all", all);
    drawn = true;
  }

  function drawHints() {
    for (const [task, box] of hintBoxes) box.replaceChildren(...inline(model.get("hints")[task] || ""));
  }

  function drawMessage() {
    message.replaceChildren(...inline(model.get("busy") || model.get("message")));
    for (const button of [yes, startOver]) button.disabled = Boolean(model.get("busy"));
  }

  // The same button begins a check and stops it, so that the keyboard's focus stays where it was.
  let pressed = 0;
  function drawTrying() {
    const now = model.get("trying") || {};
    const runs = "number" in now;
    checkNow.textContent = runs && now.asked ? "Stop checking" : "Check now";
    trying.hidden = !runs || (!now.asked && !now.number);
    tryingBar.hidden = !now.of;
    tryingBar.max = now.of || 1;
    tryingBar.value = Math.max(0, (now.number || 0) - 1);
    const text = now.number ? [`Trying ${now.number} of ${now.of}: `, ...inline(now.says)] : ["Checking …"];
    tryingText.replaceChildren(...text);
  }
  checkNow.addEventListener("click", () => {
    if (Date.now() - pressed < 400) return; // the second half of a double click
    pressed = Date.now();
    const now = model.get("trying") || {};
    model.send({ type: "number" in now && now.asked ? "cancel" : "check" });
  });

  function drawFoot() {
    const where = model.get("hand_in");
    foot.replaceChildren(`Sandbox: ${model.get("tier")}. The list follows your work by itself.`);
    if (where) foot.append(" To hand in: this notebook, and beside it ", make("code", {}, where), ", written at each look.");
    wish.replaceChildren(...inline(model.get("wish")));
    wish.hidden = !model.get("wish");
  }

  function ask(open) {
    question.hidden = !open;
    startOver.hidden = open;
    (open ? no : startOver).focus();
  }
  startOver.addEventListener("click", () => ask(true));
  no.addEventListener("click", () => ask(false));
  yes.addEventListener("click", () => {
    ask(false);
    model.send({ type: "reset" });
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Escape") ask(false);
  });
  const onMessage = (content) => {
    if (content.type !== "pong") return;
    heard = Date.now();
    sayStale(false);
  };
  let heard = Date.now();
  function sayStale(silent) {
    const text = !silent
      ? ""
      : model.get("retired")
        ? "Not live: a newer list of this exercise is live in this notebook, where begin was run last."
        : "Not live: run this cell again.";
    if (stale.textContent !== text) stale.textContent = text;
    foot.hidden = silent;
    footStale.hidden = !silent || model.get("retired");
    root.classList.toggle("wh-off", silent);
  }

  // The same list may be open on several pages: each says for itself whether it can be seen.
  const view = Math.random().toString(36).slice(2);
  let onScreen = true;
  function send(content) {
    try {
      model.send({ ...content, view, visible: onScreen && !document.hidden });
      return true;
    } catch {
      return false; // the kernel is gone: the silence will be noticed
    }
  }
  let wasHidden = false;
  function ping() {
    if (model.get("retired")) {
      sayStale(true);
      return;
    }
    if (document.hidden) {
      wasHidden = true;
      return;
    }
    if (wasHidden) heard = Date.now(); // a page in the background does not ask, so silence there means nothing
    wasHidden = false;
    if (!send({ type: "ping" })) heard = Math.min(heard, Date.now() - SILENCE - 1);
    if (Date.now() - heard > SILENCE) sayStale(true);
  }
  const timer = setInterval(ping, PING);
  const tellSeen = () => send({ type: "seen" });
  document.addEventListener("visibilitychange", tellSeen);
  const seen = new IntersectionObserver((entries) => {
    onScreen = entries[entries.length - 1].isIntersecting;
    tellSeen();
  });
  seen.observe(root);

  const heeded = [
    ["change:tasks", draw],
    ["change:score", draw],
    ["change:busy", drawMessage],
    ["change:message", drawMessage],
    ["change:trying", drawTrying],
    ["change:tier", drawFoot],
    ["change:wish", drawFoot],
    ["change:hand_in", drawFoot],
    ["change:hints", drawHints],
    ["change:steps", changes.draw],
    ["change:retired", ping],
    ["msg:custom", onMessage],
  ];
  for (const [name, heed] of heeded) model.on(name, heed);
  draw();
  drawHints();
  drawMessage();
  drawTrying();
  drawFoot();
  changes.draw();
  if (model.get("retired")) ping();

  return () => {
    clearInterval(timer);
    seen.disconnect();
    document.removeEventListener("visibilitychange", tellSeen);
    send({ type: "seen", gone: true });
    changes.end();
    for (const [name, heed] of heeded) model.off(name, heed);
  };
}

/** What each of the last commands changed: the newest in full, those before it as one line each that can be unfolded. */
function changesPanel(model) {
  const FEW = 3; // commands that are shown before "Show … earlier" is pressed
  const PAUSE = 1200; // milliseconds of stillness before the newest is read aloud

  const spoken = make("p", { class: "wh-spoken", role: "status", "aria-live": "polite" });
  const rows = make("ol", { class: "wh-steps", "aria-label": "The last commands, newest first" });
  const more = make("button", { type: "button", class: "wh-more" });
  const none = make("p", { class: "wh-none" }, "No command was typed in the course's shell yet.");
  const gist = make("span", { class: "wh-gist" });
  const title = make("span", { class: "wh-changestitle" }, "What did that command change?");
  const root = make(
    "details",
    { class: "wh-changes", open: remembered("changes") !== "folded" },
    make("summary", {}, title, " ", gist),
    none,
    rows,
    more,
  );
  const box = make("div", { class: "wh-changesbox" }, root, spoken);
  const latest = make("button", { type: "button", class: "wh-latest", title: "Show what it changed" }, "Last command");
  latest.addEventListener("click", () => {
    root.open = true;
    if (newest) open.set(newest, true);
    draw();
    const head = rows.querySelector(".wh-step");
    head?.scrollIntoView({ block: "nearest" });
    head?.focus();
  });
  root.addEventListener("toggle", () => {
    remembered("changes", root.open ? "open" : "folded");
    drawGist();
  });

  let all = false; // whether every command that is known is listed
  let newest = null; // the key of the newest command that was drawn
  let current = null; // the key of the one which Tab reaches
  const open = new Map(); // by key: what the learner unfolded or folded
  let timer = null;

  const label = (step) => step.command || step.heading;

  function badge() {
    return make("span", { class: "wh-outside" }, make("span", { "aria-hidden": "true" }, "! "), "outside the project");
  }

  function line(one) {
    const item = make(
      "li",
      { class: `wh-line wh-line-${{ "+": "more", "-": "less", "~": "other" }[one.sign] || "quiet"}` },
      make("span", { class: "wh-linesign", "aria-hidden": "true" }, one.sign),
      make("span", { class: "wh-lineword" }, one.word),
      " ",
      make("span", { class: "wh-linetext" }, make("code", {}, one.text), ...(one.note ? [" ", make("small", {}, `(${one.note})`)] : [])),
    );
    if (one.below.length) item.append(make("pre", { class: "wh-below" }, one.below.join("\n")));
    return item;
  }

  function body(step) {
    const parts = [];
    if (step.ending) parts.push(make("p", { class: "wh-ending" }, `${step.ending}.`));
    let place = "";
    for (const section of step.sections) {
      const heading = make("p", { class: "wh-place" });
      if (section.place === "outside") heading.append(badge(), " ");
      heading.append(section.heading);
      const group = make("div", { class: `wh-section wh-in-${section.place}` }, heading, make("ul", {}, ...section.lines.map(line)));
      if (section.advice) group.append(make("p", { class: "wh-advice" }, "→ ", ...inline(section.advice)));
      parts.push(group);
      place = section.place;
    }
    if (!place && !step.quiet) parts.push(make("p", {}, "Nothing changed."));
    if (step.more) parts.push(make("p", {}, `… and ${step.more} changes more.`));
    if (step.quiet) parts.push(make("p", { class: "wh-quiet" }, step.quiet));
    return parts;
  }

  function row(step, latest) {
    const unfolded = open.has(step.key) ? open.get(step.key) : latest;
    const head = make(
      "button",
      { type: "button", class: "wh-step", "aria-expanded": String(unfolded), tabindex: step.key === current ? 0 : -1, "data-key": step.key },
      make("span", { class: "wh-turn", "aria-hidden": "true" }, unfolded ? "▾" : "▸"),
      step.command ? make("code", { class: "wh-command" }, make("span", { "aria-hidden": "true" }, "$ "), step.command) : make("span", { class: "wh-command" }, step.heading),
    );
    if (!unfolded) {
      const told = make("span", { class: "wh-gist" });
      if (step.outside) told.append(badge(), " ");
      if (step.failed && step.command) told.append("failed; ");
      told.append(step.gist);
      head.append(told);
    }
    head.addEventListener("click", () => {
      current = step.key;
      open.set(step.key, !unfolded);
      draw();
      rows.querySelector(`[data-key="${CSS.escape(step.key)}"]`)?.focus();
    });
    head.addEventListener("focus", () => {
      current = step.key;
      for (const one of rows.querySelectorAll(".wh-step")) one.tabIndex = one === head ? 0 : -1;
    });
    const item = make("li", { class: "wh-stepitem" }, head);
    if (unfolded) item.append(make("div", { class: "wh-stepbody" }, ...body(step)));
    return item;
  }

  function drawGist() {
    const steps = model.get("steps");
    const last = steps[steps.length - 1];
    gist.replaceChildren();
    latest.hidden = !last;
    if (last) {
      const told = last.command ? make("code", {}, `$ ${last.command.split("\n")[0]}`) : "no command";
      latest.replaceChildren("Last command: ", told, "  ", ...(last.outside ? [badge(), " "] : []), last.gist);
    }
    if (!root.open && last) {
      if (last.outside) gist.append(badge(), " ");
      gist.append(last.gist);
    }
  }

  function draw() {
    const steps = [...model.get("steps")].reverse();
    const last = steps[0];
    const fresh = last && newest !== null && last.key !== newest;
    const first = newest === null;
    newest = last ? last.key : "";
    for (const key of [...open.keys()]) if (!steps.some((step) => step.key === key)) open.delete(key);
    const focused = rows.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    if (!focused && (fresh || !steps.some((step) => step.key === current))) current = newest;
    const shown = all ? steps : steps.slice(0, FEW);
    if (!shown.some((step) => step.key === current)) current = newest;
    rows.replaceChildren(...shown.map((step, at) => row(step, at === 0)));
    if (focused) (rows.querySelector(`[data-key="${CSS.escape(focused)}"]`) || rows.querySelector(".wh-step"))?.focus({ preventScroll: true });
    none.hidden = steps.length > 0;
    rows.hidden = steps.length === 0;
    more.hidden = steps.length <= FEW;
    more.textContent = all ? "Show fewer" : `Show ${steps.length - FEW} earlier`;
    drawGist();
    if (fresh && !first) speak(last);
  }

  /** Say the newest command's changes once it is quiet, and nothing where nothing changed: the terminal is read aloud, too. */
  function speak(step) {
    clearTimeout(timer);
    spoken.textContent = "";
    if (!step.sections.length) return;
    timer = setTimeout(() => {
      const where = step.outside ? "Outside the project! " : "";
      spoken.textContent = `${where}${label(step).split("\n")[0].slice(0, 80)}: ${step.gist}`;
    }, PAUSE);
  }

  more.addEventListener("click", () => {
    all = !all;
    draw();
  });
  rows.addEventListener("keydown", (event) => {
    const heads = [...rows.querySelectorAll(".wh-step")];
    const at = heads.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: heads.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    heads[Math.min(heads.length - 1, Math.max(0, to))].focus();
  });

  return { root: box, latest, draw, end: () => clearTimeout(timer) };
}

export default { render };
