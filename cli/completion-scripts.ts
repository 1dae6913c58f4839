import { KNOWN_MODELS } from '../model/known-models';
import type { CompletedCommand, CompletedFlag, Completion } from './completion-table';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Shell → function that returns its completion script. */
export const SCRIPTS: Readonly<Record<Shell, (program: CompletedCommand) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const MODELS = Object.keys(KNOWN_MODELS);

/** A command and all its subcommands. */
const all = (command: CompletedCommand): CompletedCommand[] => [command, ...command.commands.flatMap(all)];
/** Quotes a text for a POSIX shell, with single quotes. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

// ---- bash ----

function bashScript(program: CompletedCommand): string {
  const commands = all(program);
  const known = commands.slice(1).map(({ path }) => quoted(path.join(' ')));
  const flagCases = new Map<string, string[]>();
  for (const { path, flags } of commands) {
    for (const { names, value } of flags) {
      if (!value) continue;
      const action = bashAction(value);
      flagCases.set(action, [
        ...(flagCases.get(action) ?? []),
        ...names.map((name) => quoted([...path, name].join(' '))),
      ]);
    }
  }
  const flags = [...flagCases].map(([action, cases]) => `    ${cases.join(' | ')}) ${action}; return ;;`);
  const commandCases = commands.map(({ path, commands: below, flags: own, argument }) => {
    const words = own.flatMap(({ names }) => names).join(' ');
    const completion =
      below.length > 0 ? { takes: below.map((each) => each.path.at(-1) as string), several: false } : argument;
    return `    ${quoted(path.join(' '))}) flags=${quoted(words)}; ${completion ? bashAction(completion) : ':'} ;;`;
  });
  return `# Completion of hifi for bash: put  eval "$(hifi completion bash)"  into ~/.bashrc

_hifi_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_hifi_several() {
  local before=
  [[ $cur == *,* ]] && before=\${cur%,*},
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "\${cur##*,}")
  compopt -o nospace
}
_hifi_files() { compopt -o default; }
_hifi_folders() { compopt -o dirnames; }
_hifi_models() { _hifi_words ${quoted(MODELS.join(' '))}; compopt -o plusdirs; }

_hifi() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= flags= i
  COMPREPLY=()
  # bash splits --flag=value into three words.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${command:+$command }\${COMP_WORDS[i]}" in
      ${known.join(' | ')}) command="\${command:+$command }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "\${command:+$command }$prev" in
${flags.join('\n')}
  esac
  case "$command" in
${commandCases.join('\n')}
  esac
  if [[ $cur == -* || ( -z $cur && \${#COMPREPLY[@]} -eq 0 ) ]]; then _hifi_words "$flags"; fi
}
complete -F _hifi hifi
`;
}

function bashAction({ takes, several }: Completion): string {
  if (typeof takes !== 'string') return `_hifi_${several ? 'several' : 'words'} ${quoted(takes.join(' '))}`;
  return takes === 'anything' ? ':' : `_hifi_${takes}s`;
}

// ---- zsh ----

function zshScript(program: CompletedCommand): string {
  return `#compdef hifi
# Completion of hifi for zsh: put  eval "$(hifi completion zsh)"  into ~/.zshrc, after compinit

_hifi_models() { _alternative 'names:name:(${MODELS.join(' ')})' 'folders:folder:_files -/' }

${all(program).map(zshFunction).join('\n')}
if [[ $funcstack[1] == _hifi ]]; then _hifi "$@"; else compdef _hifi hifi; fi
`;
}

const zshName = (path: readonly string[]) => ['_hifi', ...path].join('_');

function zshFunction({ path, commands, flags, argument }: CompletedCommand): string {
  const specs = flags.flatMap(zshFlag);
  if (commands.length === 0) {
    if (argument && argument.takes !== 'anything') specs.push(quoted(`*:${argument.name}:${zshAction(argument)}`));
    return `${zshName(path)}() {\n  _arguments -s ${specs.join(' \\\n    ')}\n}`;
  }
  const named = commands.map((each) => `    ${quoted(`${each.path.at(-1)}:${each.what.replaceAll(':', '\\:')}`)}`);
  const cases = commands.map((each) => `    ${each.path.at(-1)}) ${zshName(each.path)} ;;`);
  return `${zshName(path)}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  local -a commands=(
${named.join('\n')}
  )
  case $state in
    command) _describe -t commands command commands ;;
    rest) case $words[1] in
${cases.map((each) => `  ${each}`).join('\n')}
    esac ;;
  esac
}`;
}

function zshFlag({ names, what, value }: CompletedFlag): string[] {
  const text = `[${what.replaceAll(/[\\[\]]/g, '\\$&')}]`;
  if (!value) return names.map((name) => quoted(`${name}${text}`));
  const after = `:${value.name.replaceAll(/[\\:]/g, '\\$&')}:${zshAction(value)}`;
  return names.map((name) => quoted(`${name}=${text}${after}`));
}

function zshAction({ takes, several }: Completion): string {
  if (typeof takes !== 'string') return several ? `_values -s , word ${takes.join(' ')}` : `(${takes.join(' ')})`;
  return { anything: ' ', file: '_files', folder: '_files -/', model: '_hifi_models' }[takes];
}

// ---- fish ----

function fishScript(program: CompletedCommand): string {
  const lines = all(program).flatMap((command) => {
    const { path, commands, flags, argument } = command;
    const within = `-n ${fishQuoted([commands.length > 0 ? '__hifi_only' : '__hifi_in', ...path].join(' '))}`;
    return [
      ...commands.map((each) => `complete -c hifi ${within} -a ${each.path.at(-1)} -d ${fishQuoted(each.what)}`),
      ...(argument && argument.takes !== 'anything' ? [`complete -c hifi ${within} ${fishAction(argument)}`] : []),
      ...flags.map(({ names, what, value }) => {
        const named = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
        const after = value ? `-r ${fishAction(value)}` : '';
        return `complete -c hifi ${within} ${named.join(' ')} ${after} -d ${fishQuoted(what)}`;
      }),
    ];
  });
  return `# Completion of hifi for fish: hifi completion fish > ~/.config/fish/completions/hifi.fish

# Test if the words so far begin with these, or are exactly these.
function __hifi_in
    set -l words (commandline -opc)[2..]
    test "$words[1..$(count $argv)]" = "$argv"
end
function __hifi_only
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv"
end
function __hifi_several
    set -l before (string match -r '.*,' -- (commandline -ct | string replace -r '^--[^=]*=' ''))
    printf '%s\\n' $before$argv
end
function __hifi_models
    printf '%s\\n' ${MODELS.join(' ')}
    __fish_complete_directories (commandline -ct)
end

complete -c hifi -f
${lines.join('\n')}
`;
}

function fishAction({ takes, several }: Completion): string {
  const words = (text: string) => `-f -a ${fishQuoted(text)}`;
  if (typeof takes !== 'string') return words(several ? `(__hifi_several ${takes.join(' ')})` : takes.join(' '));
  const folders = words('(__fish_complete_directories (commandline -ct))');
  return { anything: '-f', file: '-F', folder: folders, model: words('(__hifi_models)') }[takes];
}

const fishQuoted = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
