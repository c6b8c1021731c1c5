() => {
  // A player tells how high it is: nothing of it scrolls inside of the page.
  window.addEventListener("message", (event) => {
    for (const frame of document.querySelectorAll("iframe.listen")) {
      if (frame.contentWindow === event.source && event.data.height > 0) frame.style.height = `${Math.ceil(event.data.height) + 2}px`;
    }
  });
}
