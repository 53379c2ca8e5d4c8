// The Language Server Protocol's frames, and the calls of one client.
'use strict';

/** Splits what arrives into messages. */
class Frames {
  constructor() {
    this.bytes = Buffer.alloc(0);
  }

  /** @param {Buffer} chunk @returns {object[]} the messages that are complete now */
  take(chunk) {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    const messages = [];
    for (;;) {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return messages;
      const head = this.bytes.subarray(0, end).toString('ascii');
      const length = Number(/Content-Length: (\d+)/i.exec(head)?.[1]);
      if (!Number.isFinite(length)) throw new Error('missing Content-Length');
      if (this.bytes.length < end + 4 + length) return messages;
      const body = this.bytes.subarray(end + 4, end + 4 + length).toString('utf8');
      this.bytes = this.bytes.subarray(end + 4 + length);
      messages.push(JSON.parse(body));
    }
  }
}

/** @param {object} message @returns {string} the message as it is sent */
function frame(message) {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Asks and tells a server; `told` hears its notifications. */
class Client {
  constructor(process, told) {
    this.process = process;
    this.asked = 0;
    this.waiting = new Map();
    const frames = new Frames();
    process.stdout.on('data', (chunk) => {
      for (const message of frames.take(chunk)) this.take(message, told);
    });
    const end = (why) => {
      for (const { reject } of this.waiting.values()) reject(why);
      this.waiting.clear();
    };
    process.on('exit', () => end(new Error('watershed lsp has ended')));
    process.on('error', end);
    process.stdin.on('error', end);
  }

  take(message, told) {
    if (message.method !== undefined) return told(message.method, message.params);
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) waiting?.reject(new Error(message.error.message));
    else waiting?.resolve(message.result);
  }

  ask(method, params) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.process.stdin.write(frame({ id, method, params }));
    });
  }

  tell(method, params) {
    this.process.stdin.write(frame({ method, params }));
  }
}

module.exports = { Client, Frames, frame };
