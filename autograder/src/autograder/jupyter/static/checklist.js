// The live checklist (see checklist.py). What a learner or a check wrote only ever becomes text, never markup.
// What each command changed is drawn by changes_panel.js.
const PING = 2000; // milliseconds between two questions whether the kernel still answers
const SILENCE = 6500; // after so many without an answer the list says that it isn't live

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

export default { render };
