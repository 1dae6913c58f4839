import { crossing } from '../engine-child';
import type { FromService, ToService } from './service-process';
import type { Served, ServeSettings } from './settings';

interface Serving {
  served: Served;
  stop(): Promise<void>;
}

/**
 * The child's side of a {@link ServiceProcess}: serves with the settings that the supervisor sends
 * and ends when it says so. It ends at once if the supervisor is gone.
 */
export function answerSupervisor(serve: (settings: ServeSettings) => Promise<Serving>): void {
  let serving: Promise<Serving> | undefined;
  const start = async (settings: ServeSettings) => {
    try {
      serving = serve(settings);
      await send({ type: 'served', served: (await serving).served });
    } catch (thrown) {
      await send(crossing(thrown));
      process.exit(1);
    }
  };
  const end = async () => {
    const { stop } = (await serving) ?? {};
    await stop?.();
  };
  // Ctrl-C reaches all processes of a terminal, and systemd's SIGTERM all of a unit. The supervisor
  // decides which service ends first.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  process.stdout.on('error', () => {});
  process.once('disconnect', () => process.exit(1));
  process.on('message', (message: ToService) => {
    if (message.type === 'serve') void start(message.settings);
    // A library may keep the process alive.
    else
      void end().then(
        () => process.exit(0),
        () => process.exit(1),
      );
  });
}

/** Settles when the message is on its way: a process that exits before that loses it. */
const send = (message: FromService) =>
  new Promise((resolve) => {
    process.send?.(message, undefined, undefined, resolve);
  });
