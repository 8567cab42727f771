// Moments as people say them: how long ago, and the whole date for who wants to know.

const DAY = 86400;

/** "just now", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function ago(at, now) {
  if (!at) return "";
  const past = Math.max(0, now - at);
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < DAY) return `${Math.floor(past / 3600)} h ago`;
  if (past < 14 * DAY) return `${Math.floor(past / DAY)} d ago`;
  return new Date(at * 1000).toLocaleDateString();
}

export function fullTime(at) {
  return at ? new Date(at * 1000).toLocaleString() : "";
}
