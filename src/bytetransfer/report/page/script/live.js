// A page that is served while its study runs.

function follow(shown) {
  const version = async () => (await fetch("version")).text();
  const look = async () => {
    try {
      if ((await version()) !== shown) location.reload();
    } catch {
      document.querySelector(".subtitle").append(" (no longer served)");
      clearInterval(timer);
    }
  };
  const timer = setInterval(look, 2000);
}
