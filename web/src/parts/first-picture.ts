/** For those who time the page, and for tests. */
export function markFirstPicture() {
  if (performance.getEntriesByName("headscope:first-picture").length === 0) {
    performance.mark("headscope:first-picture");
  }
}
