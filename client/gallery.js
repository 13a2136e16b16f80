const words = document.getElementById("words");
const failed = document.getElementById("failed");
const none = document.querySelector(".none");
const cards = [...document.querySelectorAll("main .tc-card")].map((card) => ({
  card, text: card.textContent.toLowerCase(), error: card.querySelector(".tc-error") !== null,
}));
function filter() {
  const wanted = words.value.toLowerCase();
  let shown = 0;
  for (const { card, text, error } of cards) {
    card.hidden = !text.includes(wanted) || (failed.checked && !error);
    shown += !card.hidden;
  }
  none.hidden = shown > 0;
}
words.addEventListener("input", filter);
failed.addEventListener("change", filter);
filter();
