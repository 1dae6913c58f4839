import { hideFolders, withoutPaths } from '../../proto/status';

test('messages show no folders of this machine, whatever characters their names have', () => {
  expect(withoutPaths('/srv/data/private/m/config.json: cannot be read')).toBe('config.json: cannot be read');
  hideFolders(['/srv/team data', "/srv/a(b), c's"]);
  for (const folder of ['/srv/team data', "/srv/a(b), c's"]) {
    expect(withoutPaths(`${folder}/private/m/config.json: cannot be read`)).toBe('config.json: cannot be read');
    expect(withoutPaths(`${folder}: cannot be read`)).toMatch(/^[\w.-]+: cannot be read$/);
  }
  expect(withoutPaths('train.path is "a/b.tsv"; see https://example.org/a/b')).toBe(
    'train.path is "a/b.tsv"; see https://example.org/a/b',
  );
});
