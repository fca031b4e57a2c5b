// What all pictures share (see pictures/picture.py). What was read only ever becomes text, never markup.
const PATIENCE = 60000; // milliseconds to wait for an answer

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function inline(text) {
  const pattern = /`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*/g;
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    nodes.push(text.slice(at, match.index));
    nodes.push(make(match[1] ? "code" : match[2] ? "strong" : "em", {}, match[1] || match[2] || match[3]));
    at = match.index + match[0].length;
  }
  return [...nodes, text.slice(at)];
}

// Ask the kernel; the promise ends with "" when the traits have changed, or with the reason why there is no answer.
function ask(model, question, patience = PATIENCE) {
  return new Promise((resolve) => {
    const number = (model.get("answered") % 1000000) + 1 + Math.floor(Math.random() * 1000000);
    const clock = setTimeout(() => end("There is no answer: run this cell again."), patience);
    const onAnswer = () => model.get("answered") === number && end(model.get("problem"));
    function end(problem) {
      clearTimeout(clock);
      model.off("change:answered", onAnswer);
      resolve(problem);
    }
    model.on("change:answered", onAnswer);
    model.send({ ask: question, number });
  });
}

// The notebook has shortcuts of its own, such as deleting a cell: keys typed into a picture are the picture's.
function keepKeys(element) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" && event.key !== "Escape") event.stopPropagation();
  });
}
