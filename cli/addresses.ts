import type { ServedName } from '../infra/service/settings';

/** Default host of `hifi serve`, and of the commands that call it. */
export const HOST = '127.0.0.1';
export const PORTS: Readonly<Record<ServedName, number>> = { gateway: 7070, analyzer: 7071, trainer: 7072 };

export const addressOf = (name: ServedName) => `${HOST}:${PORTS[name]}`;
