(function () {
  var days = function (day) { return Math.floor((Date.now() - Date.parse(day)) / 864e5); };
  document.querySelectorAll("time.age").forEach(function (one) {
    var past = days(one.dateTime);
    if (past >= 0) one.insertAdjacentText("afterend", past === 0 ? " (today)" : past === 1 ? " (yesterday)" : " (" + past + " days ago)");
  });
  if (!navigator.clipboard) return;
  document.querySelectorAll(".said").forEach(function (one) {
    var button = document.createElement("button");
    button.type = "button"; button.className = "copy"; button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy: " + (one.dataset.title || "commands"));
    button.onclick = function () {
      navigator.clipboard.writeText(one.querySelector("code").textContent).then(function () {
        button.textContent = "Copied";
        setTimeout(function () { button.textContent = "Copy"; }, 2000);
      });
    };
    one.appendChild(button);
  });
})();
