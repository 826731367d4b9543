import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.mjs': 'text/javascript',
  '.json': 'application/json', '.wasm': 'application/wasm', '.png': 'image/png', '.jpg': 'image/jpeg',
  '.svg': 'image/svg+xml', '.ts': 'text/plain',
};

/**
 * Serves `mounts` ({ '/prefix/': a directory or { name: bytes } }) with ranges. `fault(end, fault)` applies a fault to
 * every path with that end: see `answer`. `requests` lists all requests.
 */
export async function startServer({ mounts = {}, cors = false, headers = {} } = {}) {
  const faults = new Map();
  const requests = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    requests.push({ method: request.method, path, headers: request.headers });
    if (cors) {
      response.setHeader('access-control-allow-origin', '*');
      response.setHeader('access-control-allow-headers', '*, authorization, range');
    }
    Object.entries(headers).forEach(([name, value]) => response.setHeader(name, value));
    if (request.method === 'OPTIONS') {
      response.end();
      return;
    }
    const fault = [...faults].find(([end]) => path.endsWith(end))?.[1] ?? {};
    const bytes = await contents(mounts, path);
    await answer({ request, response, bytes, path, fault });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    mounts,
    fault: (end, fault) => faults.set(end, fault),
    heal: () => faults.clear(),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

async function contents(mounts, path) {
  const prefix = Object.keys(mounts).filter((start) => path.startsWith(start)).sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) {
    return null;
  }
  const name = normalize(path.slice(prefix.length)) || '.';
  const mount = mounts[prefix];
  if (typeof mount !== 'string') {
    return mount[name] === undefined ? null : Buffer.from(mount[name]);
  }
  if (name.startsWith('..')) {
    return null;
  }
  const file = name === '.' || name.endsWith('/') ? join(mount, name, 'index.html') : join(mount, name);
  return (await stat(file).catch(() => null))?.isFile() ? readFile(file) : null;
}

/**
 * A fault is an object with some of: `status` (sent instead of the file), `type`, `etag`, `noRanges`, `wrongRange`, `edit`
 * (a function that changes the file's bytes), `cut` (the connection breaks after this many bytes of a response), `short`
 * (a response ends this many bytes early), `slow` (milliseconds between chunks). Two fields limit it: `times` (how often
 * it applies) and `inside` (only to ranges that start inside the file).
 */
async function answer({ request, response, bytes, path, fault }) {
  const first = !/^bytes=(?!0-)/.test(request.headers.range ?? '');
  fault.seen = (fault.seen ?? 0) + (fault.inside && first ? 0 : 1);
  const active = fault.seen <= (fault.times ?? Infinity) && !(fault.inside && first);
  const applied = active ? fault : {};
  const status = applied.status ?? (bytes === null ? 404 : 200);
  response.setHeader('content-type', applied.type ?? TYPES[extname(path) || '.html'] ?? 'application/octet-stream');
  if (status !== 200) {
    response.writeHead(status).end(`status ${status}`);
    return;
  }
  const whole = applied.edit ? applied.edit(bytes) : bytes;
  response.setHeader('etag', applied.etag ?? `"${createHash('sha1').update(whole).digest('hex').slice(0, 12)}"`);
  const range = applied.noRanges ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range && range[2] !== '' ? Math.min(Number(range[2]) + 1, whole.length) : whole.length;
  if (range && start >= whole.length) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
    return;
  }
  const shift = applied.wrongRange ? 1 : 0;
  if (range) {
    response.setHeader('content-range', `bytes ${start + shift}-${end - 1 + shift}/${whole.length}`);
  }
  if (applied.short === undefined) {
    response.setHeader('content-length', end - start);
  }
  response.writeHead(range ? 206 : 200);
  await send(response, whole.subarray(start, end - (applied.short ?? 0)), applied);
}

async function send(response, body, { cut, slow }) {
  const chunk = slow ? Math.ceil(body.length / 20) : 1 << 16;
  for (let sent = 0; sent < body.length; sent += chunk) {
    if (cut !== undefined && sent + chunk > cut) {
      response.write(body.subarray(sent, cut), () => setTimeout(() => response.destroy(), 20));
      return;
    }
    if (response.destroyed) {
      return;
    }
    response.write(body.subarray(sent, sent + chunk));
    await new Promise((resolve) => setTimeout(resolve, slow ?? 0));
  }
  response.end();
}
