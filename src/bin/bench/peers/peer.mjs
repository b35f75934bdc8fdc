// One job queue as a peer of the gateway. `bench --peers` runs it (queues.rs):
//
//   node peer.mjs QUEUE DATABASE_URL SUBMIT_URL CONCURRENCY drain|latency COUNT
//
// It reads the letter (`{"headers", "body", "known", "series"}`) as the first line of its input, warms up, says `ready`,
// waits for another line, and answers it with one line of JSON: {"rate", "cpu_ms"} of a drain, or {"sent": [[request_id,
// nanoseconds since the epoch when its enqueue began], ...]}. Whatever goes wrong ends it with a message.

import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Pool } from "undici";

const [queueName, databaseUrl, submitUrl, ...rest] = process.argv.slice(2);
const [concurrency, mode, count] = [Number(rest[0]), rest[1], Number(rest[2])];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const letter = JSON.parse((await lines.next()).value);
const target = new URL(submitUrl);
const sink = new Pool(target.origin, { connections: concurrency, pipelining: 1 });

/** Jobs that warm up: they compile what runs often and open the connections. */
const WARM = { drain: 1_000, latency: 50 };
/** Jobs that are handed to a queue's batch API at once. */
const CHUNK = 1_000;
/** Connections to the database: beyond a dozen they are idle. */
const POOL = 20;

/** How many were posted, when the first since a drain's beginning was, and who waits for how many. */
const posts = { done: 0, first: undefined, waits: undefined };

function fail(error) {
  console.error(error);
  process.exit(1);
}
process.on("uncaughtException", fail);

async function post({ body }) {
  posts.first ??= performance.now();
  try {
    const path = target.pathname + target.search;
    const answer = await sink.request({ path, method: "POST", headers: letter.headers, body });
    await answer.body.dump();
    // A queue would try again later and be slow: nothing that is to be measured.
    if (answer.statusCode !== 200) throw new Error(`the sink answered ${answer.statusCode}`);
    posts.done += 1;
    if (posts.done === posts.waits?.count) posts.waits.resolve();
  } catch (error) {
    fail(error);
  }
}

/** The database's URL without what only the gateway's driver understands. The server is on this machine: no TLS. */
function connectionString() {
  const url = new URL(databaseUrl);
  for (const name of ["sslmode", "statement-cache-capacity"]) url.searchParams.delete(name);
  return url.href;
}

/** What a queue needs for a mode: batches in a drain, the shortest way for a single job. */
const queues = {
  async "graphile-worker"() {
    // A line for every job is no part of the work.
    process.env.NO_LOG_SUCCESS = "1";
    const { Logger, makeWorkerUtils, run } = await import("graphile-worker");
    const logger = new Logger(() => (level, message) => level === "error" && console.error(message));
    // As its page on performance says; a local queue trades latency for throughput.
    const batches = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    const worker = {
      connectionString: connectionString(),
      concurrentJobs: concurrency,
      maxPoolSize: POOL,
      ...(mode === "drain" ? batches : {}),
    };
    const utils = await makeWorkerUtils({ preset: { worker }, logger });
    const ask = (sql) => utils.withPgClient((client) => client.query(sql));
    return {
      ask,
      left: "SELECT 1 FROM graphile_worker._private_jobs LIMIT 1",
      send: (body) => utils.addJob("post", { body }),
      sendAll: (bodies) => utils.addJobs(bodies.map((body) => ({ identifier: "post", payload: { body } }))),
      async start() {
        const runner = await run({ preset: { worker }, logger, noHandleSignals: true, taskList: { post } });
        return () => runner.stop();
      },
    };
  },

  async "pg-boss"() {
    const { default: PgBoss } = await import("pg-boss");
    const boss = new PgBoss({ connectionString: connectionString(), max: POOL });
    boss.on("error", fail);
    await boss.start();
    await boss.createQueue("post");
    // `work` waits for its interval after every batch: a drain asks by itself. Two loops, so that one posts while the
    // other asks; more of them were no faster. What is beyond the concurrency waits for a connection.
    async function drain(loop) {
      while (loop.runs) {
        const jobs = await boss.fetch("post", { batchSize: 500 });
        await Promise.all(jobs.map((job) => post(job.data)));
        if (jobs.length > 0) await boss.complete("post", jobs.map((job) => job.id));
        else await pause(50);
      }
    }
    let worker;
    return {
      ask: (sql) => boss.getDb().executeSql(sql),
      left: "SELECT 1 FROM pgboss.job WHERE name = 'post' AND state < 'completed' LIMIT 1",
      async send(body) {
        await boss.send("post", { body });
        // It only polls; a worker in the same process may be told.
        boss.notifyWorker(worker);
      },
      sendAll: (bodies) => boss.insert(bodies.map((body) => ({ name: "post", data: { body } }))),
      async start() {
        if (mode === "latency") {
          worker = await boss.work("post", { pollingIntervalSeconds: 0.5 }, ([job]) => post(job.data));
          return () => boss.offWork("post");
        }
        const loop = { runs: true };
        const loops = Array.from({ length: 2 }, () => drain(loop).catch(fail));
        return () => {
          loop.runs = false;
          return Promise.all(loops);
        };
      },
    };
  },
};

async function fill(queue, count) {
  for (let left = count; left > 0; left -= CHUNK) {
    await queue.sendAll(Array(Math.min(left, CHUNK)).fill(letter.body));
  }
  // What autovacuum does for tables that were not filled a moment ago.
  await queue.ask("VACUUM ANALYZE");
}

/** Waits until `count` are posted and the queue has nothing left; it is asked only then. */
async function finished(queue, count) {
  if (posts.done < count) await new Promise((resolve) => (posts.waits = { count, resolve }));
  while ((await queue.ask(queue.left)).rows.length > 0) await pause(1);
}

async function ready() {
  console.log("ready");
  await lines.next();
}

/** Lets a new worker do all that is queued. */
async function work(queue, count) {
  const [cpu, before] = [process.cpuUsage(), posts.done];
  posts.first = undefined;
  const stop = await queue.start();
  await finished(queue, before + count);
  const seconds = (performance.now() - posts.first) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await stop();
  return { rate: count / seconds, cpu_ms: (user + system) / 1000 / count };
}

async function drain(queue) {
  await fill(queue, WARM.drain);
  await work(queue, WARM.drain);
  await fill(queue, count);
  await ready();
  return work(queue, count);
}

async function latency(queue) {
  await queue.start();
  const sent = [];
  const send = async (n) => {
    const id = `BENCH-${letter.series}-${n}`;
    sent.push([id, Math.round((performance.timeOrigin + performance.now()) * 1e6)]);
    await queue.send(letter.body.replaceAll(letter.known, id));
    await pause(20);
  };
  for (let n = 0; n < WARM.latency; n += 1) await send(n);
  await finished(queue, WARM.latency);
  await ready();
  for (let n = 0; n < count; n += 1) await send(WARM.latency + n);
  await finished(queue, WARM.latency + count);
  return { sent: sent.slice(WARM.latency) };
}

const queue = await queues[queueName]();
console.log(JSON.stringify(await { drain, latency }[mode](queue)));
process.exit(0);
