// What all pictures share (see pictures/picture.py). What was read only ever becomes text, never markup.
const HEARING = 6000; // milliseconds until the kernel must have said that it heard a question
const PATIENCE = 60000; // milliseconds to wait for the answer, once it was heard
const GONE = "There is no answer: this notebook's kernel is gone, or busy with a cell. When no cell is running, run this cell again.";
const LATE = "There is no answer yet, and it should be there: run this cell again.";

// Ask the kernel; the promise ends with "" when the traits have changed, or with the reason why there is no answer.
// A kernel that is there says at once that it heard, even while a cell runs; an answer that comes too late still changes the traits.
function ask(model, question, patience = PATIENCE) {
  return new Promise((resolve) => {
    const asker = document.activeElement;
    const number = 1 + Math.floor(Math.random() * 1000000000);
    let clock = setTimeout(() => end(GONE), HEARING);
    const watched = {
      "change:heard": () => {
        if (model.get("heard") !== number) return;
        clearTimeout(clock);
        clock = setTimeout(() => end(LATE), patience);
      },
      "change:answered": () => model.get("answered") === number && end(model.get("problem")),
      comm_live_update: () => end(GONE), // the kernel was lost on the way
    };
    function end(problem) {
      clearTimeout(clock);
      for (const [event, react] of Object.entries(watched)) model.off(event, react);
      resolve(problem);
      // a button that was switched off while the picture waited has lost the focus
      setTimeout(() => document.activeElement === document.body && asker?.isConnected && asker.focus());
    }
    for (const [event, react] of Object.entries(watched)) model.on(event, react);
    try {
      model.send({ ask: question, number });
    } catch {
      end(GONE);
    }
  });
}

// The notebook has shortcuts of its own, such as deleting a cell: keys typed into a picture are the picture's.
function keepKeys(element) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" && event.key !== "Escape") event.stopPropagation();
  });
}
