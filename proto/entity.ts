import type { Entity } from '../delta/inference-options';
import type { Entity as EntityMessage } from './gen/hifi/v1/trainer_pb';
import { present } from './matrix';

/** Reads an entity. @throws HifiError INVALID_INPUT for a missing part */
export const entityOf = ({ label, start, end, text, score }: EntityMessage, field: string): Entity => ({
  label,
  start: present(start, `${field}.start`),
  end: present(end, `${field}.end`),
  text,
  score: present(score, `${field}.score`),
});
