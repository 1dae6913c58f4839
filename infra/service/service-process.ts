import { type ChildProcess, fork } from 'node:child_process';
import { failed } from '../../foundation/errors';
import { crossed } from '../engine';
import type { FromChild } from '../engine-child';
import { died } from '../engine-process';
import type { Served, ServedName, ServeSettings } from './settings';

export type ToService = { type: 'serve'; settings: ServeSettings } | { type: 'end' };
export type FromService = { type: 'served'; served: Served } | (FromChild & { type: 'error' });

/** Running children. A stopped one does not notice that its parent ends. */
const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Child process of one service, as its parent sees it. It writes to this process's stderr. */
export class ServiceProcess {
  /** Settles when the process has ended, with a description of how it ended. */
  readonly gone: Promise<string>;
  private readonly child: ChildProcess;

  /** @param entry file that calls `answerSupervisor` */
  constructor(
    entry: string,
    private readonly name: ServedName,
  ) {
    this.child = fork(entry, [name], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    });
    const { child } = this;
    living.add(child);
    this.gone = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        living.delete(child);
        resolve(died(code, signal, ''));
      });
      child.on('error', (error) => {
        if (child.pid === undefined) resolve(`could not be started: ${error.message}`);
      });
    });
  }

  /**
   * Starts serving; called once.
   *
   * @throws HifiError the service's own error with its code; FAILED if the process ends before
   */
  async serve(settings: ServeSettings): Promise<Served> {
    const answer = new Promise<FromService>((resolve) => {
      this.child.once('message', (message) => resolve(message as FromService));
    });
    this.send({ type: 'serve', settings });
    const lost = this.gone.then((how) => {
      throw failed(`the ${this.name} ${how}`);
    });
    const first = await Promise.race([answer, lost]);
    if (first.type === 'error') throw crossed(first);
    return first.served;
  }

  /** Ends the service and settles when the process has ended. */
  async end(): Promise<void> {
    this.send({ type: 'end' });
    await this.gone;
  }

  /** Sends to a child that may have ended. */
  private send(message: ToService): void {
    if (this.child.connected) this.child.send(message, () => {});
  }
}
