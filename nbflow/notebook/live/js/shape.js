// The geometry of edges, and which node an arrow key leads to.

/** The path of an edge from border to border, and the box around it. It is a smooth function of the direction of the
 * graph that never turns back, so a long edge does not wiggle at the layers that it crosses. */
export function edgePath(from, to, points, sideways) {
  const line = points.map(([x, y]) => (sideways ? [y, x] : [x, y])); // [across, along]
  const last = line.length - 1;
  line[0] = [line[0][0], line[0][1] + (sideways ? from.w : from.h) / 2];
  line[last] = [line[last][0], line[last][1] - (sideways ? to.w : to.h) / 2 - 1];
  const slopes = slopesOf(line);
  const at = (across, along) => (sideways ? `${round(along)},${round(across)}` : `${round(across)},${round(along)}`);
  let d = `M${at(...line[0])}`;
  for (let i = 1; i <= last; i++) {
    const [x0, y0] = line[i - 1];
    const [x1, y1] = line[i];
    const reach = (y1 - y0) * (last === 1 ? 0.5 : 0.4);
    d += `C${at(x0 + slopes[i - 1] * reach, y0 + reach)} ${at(x1 - slopes[i] * reach, y1 - reach)} ${at(x1, y1)}`;
  }
  const across = line.map((point) => point[0]);
  const along = line.map((point) => point[1]);
  const [low, high] = [[Math.min(...across), Math.min(...along)], [Math.max(...across), Math.max(...along)]];
  const box = sideways ? { x0: low[1], x1: high[1], y0: low[0], y1: high[0] } : { x0: low[0], x1: high[0], y0: low[1], y1: high[1] };
  return { d, box };
}

/** A link of a scene that leads back: its four points are the control points of one curve. */
export function archPath(points) {
  const [a, b, c, d] = points.map(([x, y]) => `${round(x)},${round(y)}`);
  const [x, y] = [points.map((point) => point[0]), points.map((point) => point[1])];
  return { d: `M${a}C${b} ${c} ${d}`, box: { x0: Math.min(...x), x1: Math.max(...x), y0: Math.min(...y), y1: Math.max(...y) } };
}

/** Where the label of a link stands: in the middle of its curve, or of the middle piece of its line. */
export function middleOf(points, back) {
  const mid = (axis) => {
    if (back) return (points[0][axis] + 3 * points[1][axis] + 3 * points[2][axis] + points[3][axis]) / 8;
    const i = Math.floor(points.length / 2);
    return (points[i - 1][axis] + points[i][axis]) / 2;
  };
  return [mid(0), mid(1)];
}

const round = (n) => Math.round(n * 10) / 10;

/** Monotone slopes (Fritsch and Carlson): straight out of and into nodes, flat where the edge changes its mind. */
function slopesOf(line) {
  const rise = line.slice(1).map(([x, y], i) => (x - line[i][0]) / (y - line[i][1] || 1));
  return line.map((_, i) => {
    if (i === 0 || i === line.length - 1 || rise[i - 1] * rise[i] <= 0) return 0;
    return (2 * rise[i - 1] * rise[i]) / (rise[i - 1] + rise[i]);
  });
}

/** Along the graph an arrow follows an edge; across it goes to the next node of the same layer. */
export function neighbour(key, i, nodes, lines, links, sideways) {
  const here = nodes[i];
  const [ahead, back, next, previous] = sideways ? ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"] : ["ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft"];
  const across = (node) => (sideways ? node.y : node.x);
  const nearest = (list) => list.sort((a, b) => Math.abs(across(nodes[a]) - across(here)) - Math.abs(across(nodes[b]) - across(here)))[0];
  if (key === ahead) return nearest(links[i].filter((e) => lines[e].from === i).map((e) => lines[e].to));
  if (key === back) return nearest(links[i].filter((e) => lines[e].to === i).map((e) => lines[e].from));
  const level = (node) => Math.abs(sideways ? node.x - here.x : node.y - here.y) < (sideways ? 60 : 24);
  const row = nodes.map((_, j) => j).filter((j) => level(nodes[j]));
  row.sort((a, b) => across(nodes[a]) - across(nodes[b]) || a - b);
  return row[row.indexOf(i) + (key === next ? 1 : key === previous ? -1 : 0)];
}
