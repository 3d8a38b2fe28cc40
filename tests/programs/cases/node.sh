# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: node
# packages: nodejs
# verify: node|MainThread:3 echo
# timeout: 90
# JIT, garbage collection, worker threads, child processes, buffers, WebAssembly memory.
set -eu
cat >main.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync, fork } = require('child_process');
const crypto = require('crypto');
const zlib = require('zlib');

if (process.argv[2] === 'child') {
	process.send({ sum: Array.from({ length: 1e5 }, (_, i) => i).reduce((a, b) => a + b) },
		     () => process.disconnect());
	return;
}
if (!isMainThread) {
	const a = new Float64Array(1 << 20).fill(workerData);
	parentPort.postMessage(a.reduce((x, y) => x + y));
	return;
}
let h = 0;
for (let i = 0; i < 2e7; i++) h = (h * 31 + i) | 0;
console.log('jit', h);
let keep = [];
for (let i = 0; i < 2e6; i++) { keep.push({ i, s: 's' + i }); if (keep.length > 1e5) keep = []; }
console.log('gc', keep.length);
const buffer = Buffer.alloc(32 << 20, 'shadow');
console.log('hash', crypto.createHash('sha256').update(buffer).digest('hex'));
console.log('zlib', zlib.gunzipSync(zlib.gzipSync(buffer.subarray(0, 1 << 20))).equals(buffer.subarray(0, 1 << 20)));
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1000 });
memory.grow(500);
new Uint8Array(memory.buffer)[30000000] = 5;
console.log('wasm', memory.buffer.byteLength, new Uint8Array(memory.buffer)[30000000]);
console.log('exec', execFileSync('echo', ['from a child']).toString().trim());
const workers = [1, 2, 3].map((n) => new Promise((done, fail) => {
	const w = new Worker(__filename, { workerData: n });
	w.on('message', done); w.on('error', fail);
}));
Promise.all(workers).then((sums) => {
	console.log('workers', sums.join(' '));
	const c = fork(__filename, ['child']);
	c.on('message', (m) => console.log('fork', m.sum));
	c.on('exit', (code) => console.log('child exit', code));
});
END
node main.js
node --max-old-space-size=100 -e 'let a = []; for (let i = 0; i < 3e5; i++) a.push([i]); console.log(a.length)'
