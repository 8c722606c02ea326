# ── What containerd reads, and what it makes of it ───────────────────────────────────────────

# Every file that containerd reads, in its order: a line @FILE, then the file as toml prints it.
# Imports are taken as containerd takes them: those of a file come after all that are waiting; only * makes a pattern.
# Until 1.6.30 and 1.7.16 a relative pattern starts where containerd runs, which is at /.
containerd_files() { # FILE VERSION
    patterns_at='' lenient=''
    case $2 in [01].*) lenient=lenient ;; esac
    case $2 in 1.[0-7].*) at_least "$2" 1.7.16 || { [ "${2%.*}" = 1.6 ] && at_least "$2" 1.6.30; } || patterns_at=/ ;; esac
    waiting=$1 done_with=$newline
    while [ -n "$waiting" ]; do
        file=${waiting%%"$newline"*}
        waiting=${waiting#"$file"}
        waiting=${waiting#"$newline"}
        case $done_with in *"$newline$file$newline"*) continue ;; esac
        done_with=$done_with$file$newline
        echo "@$file"
        if out_of_sight "$file"; then
            echo "!0 cannot be read"
            continue
        fi
        below_root "$file"
        if ! [ -r "$place" ] || [ -d "$place" ]; then
            if ! [ -e "$place" ]; then
                echo "!0 is not there"
            elif [ -r "$place" ] && [ "${file%/}" = "$1" ]; then
                echo "!0 is a directory"
            else
                echo "!0 cannot be read"
            fi
            continue
        fi
        values=$(content "$file" | toml $lenient)
        printf '%s\n' "$values"
        imports=$(printf '%s\n' "$values" | sed -n 's/^\/imports\[\]=//p' | imported "${file%/*}")
        waiting=$waiting${waiting:+${imports:+$newline}}$imports
    done
}

imported() { # DIRECTORY of the file that imports what standard input names: prints the paths
    while IFS= read -r import; do
        case $import in
            /*) ;;
            *\**) import=${patterns_at:-$1/}$import ;;
            *) import=$1/$import ;;
        esac
        import=$(clean_path "$import")
        case $import in *\**) matching "$import" ;; *) printf '%s\n' "$import" ;; esac
    done
}

clean_path() { # PATH without //, . and ..
    printf '%s\n' "$1" | sed -e 's,//*,/,g' -e ':a' -e 's,/\./,/,g' -e 's,/[^/]*[^/.][^/]*/\.\./,/,' -e 'ta' -e 's,/\.$,,'
}

matching() { # PATTERN: prints the paths that match; unlike a shell's, containerd's * may be a dot at the beginning
    case ${1%/*} in
        *\**) above=$root ;;
        *)
            below_root "${1%/*}"
            above=$place
            [ ! -d "$place" ] || [ -r "$place" ] || printf '%s\n' "${1%/*}"
            ;;
    esac
    for pattern in "$1" "${1%/*}/.${1##*/}"; do
        dir=${pattern%/*}
        [ "$above" = "$root" ] || pattern=/${pattern##*/}
        set +f
        IFS=
        for path in "$above"$pattern; do
            [ -e "$path" ] || [ -L "$path" ] || continue
            [ "$above" = "$root" ] && printf '%s\n' "${path#"$root"}" || printf '%s\n' "$dir/${path##*/}"
        done
        unset IFS
        set -f
    done | sort -u
}

# Standard input, as containerd_files prints it, becomes what containerd of a version makes of it: lines of a word and a
# value. Up to 1.7 the version is one for all files, and a later file replaces a plugin's whole section; from 2.0 each file
# is brought to the newest version by itself, then sections are merged. Lists of disabled plugins add up in both.
# Source: containerd's cmd/containerd/server/config/config.go and plugins/cri/*/plugin.go at 1.7.28, 2.1.5, 2.2.0 and 2.3.6.
containerd_settings() { # MAJOR HIGHEST-CONFIGURATION-VERSION [unsure: a newer containerd may read a higher one]
    plugins=$(containerd_plugins "$1") awk -v major="$1" -v highest="$2" -v unsure="${3:-}" '
    function fact(word, value) { print word " " value }
    function full(name, version) { # version 1 has short names
        if (version > 1 || name ~ /\./) return name
        return name == "cri" ? "io.containerd.grpc.v1.cri" : "io.containerd.grpc.v1." name
    }
    function set(key, value) {
        if (key ~ /\[\]$/) { list[key, ++size[key]] = value; return }
        if (value == "[]") size[key "[]"] = 0
        settings[key] = value
    }
    function new_name(rest) { # of a setting of the one section that CRI had before version 3
        if (rest == "/sandbox_image") return "images/pinned_images/sandbox"
        if (rest ~ /^\/registry(\/|=|$)/) return "images" rest
        if (rest == "/containerd/snapshotter") return "images/snapshotter"
        if (rest == "/cni/bin_dir" && bin_dirs) return "runtime/cni/bin_dirs"
        return "runtime" rest
    }
    function lower(rest,   n, i, part, out) { # but for names that people give: from 2.0 case does not matter
        n = split(rest, part, "/")
        for (i = 2; i <= n; i++) {
            if (i < 4 || (i == 5 && part[3] == "runtimes")) part[i] = tolower(part[i])
            out = out "/" part[i]
        }
        return out
    }
    function plugin(rest, value, version,   name, key) { # one setting below /plugins
        name = rest
        sub(/\/.*/, "", name)
        rest = substr(rest, length(name) + 1)
        if (major > 1) rest = lower(rest)
        name = full(name, version)
        if (name == "io.containerd.cri.v1.images" && major > 1) set("images" rest, value)
        else if (name == "io.containerd.cri.v1.runtime" && major > 1) set("runtime" rest, value)
        else if (name == "io.containerd.grpc.v1.cri" && (major < 2 || version < highest)) {
            key = new_name(rest)
            if (key ~ /bin_dirs$/) { set(key, "[]"); key = key "[]" }
            set(key, value)
            if (major < 2 && rest == "/systemd_cgroup") fact("systemd_cgroup", value)
        }
    }
    function is_full(name, parts) { # a name that this containerd takes from version 2 on
        if (major > 1) return name ~ /\./
        return index(name, "io.containerd.") == 1 && split(name, parts, ".") > 3
    }
    function type_of(key, string,   name) { # of a setting of CRI: what is wrong with its type
        if (key !~ /(grpc\.v1\.cri|cri\.v1\.(runtime|images))\// && !(major < 2 && key ~ /^cri\//)) return
        name = key
        sub(/.*\//, "", name)
        if (string && name ~ switches) fact("wrong_type", name " a string")
        if (!string && name ~ texts) fact("wrong_type", name " no string")
    }
    function number(text,   base, sum, sign) { # of a whole number, such as 3, 0x3 or 0b1_1
        if (text !~ whole) return 0
        gsub(/_/, "", text)
        sign = text ~ /^-/ ? -1 : 1
        sub(/^[+-]/, "", text)
        base = text ~ /^0x/ ? 16 : text ~ /^0o/ ? 8 : text ~ /^0b/ ? 2 : 10
        if (base != 10) text = substr(text, 3)
        for (; text != ""; text = substr(text, 2))
            sum = sum * base + index("0123456789abcdef", tolower(substr(text, 1, 1))) - 1
        return sign * sum
    }
    function is_plugin(name, version,   id) { # or may be one, of a proxy
        id = name
        if (sub(/^io[.]containerd[.](content|differ|sandbox[.]controller|snapshotter)[.]v1[.]/, "", id) && (id in proxy))
            return version > 1 || major > 1
        return version < 2 && (major < 2 || name !~ /[.]/) \
            ? (name in known_id) || (major < 2 && (name in proxy)) : name in known_plugin
    }
    function know_plugins(   n, m, i, j, type, id) {
        n = split(ENVIRON["plugins"], type, "\n")
        for (i = 1; i <= n; i++) {
            m = split(type[i], id, " ")
            for (j = 2; j <= m; j++) {
                known_id[id[j]] = 1
                known_plugin["io.containerd." id[1] "." id[j]] = 1
            }
        }
    }
    function finish(   i, version, key, value, at) { # a file has been read
        if (file == "") return
        version = own ? own : 1
        if (own > highest) fact(unsure ? "unseen" : "mistake", \
            file ": version " own " is newer than " (unsure ? "is known here" : "this containerd reads") " (" highest ")")
        if (own < 0 && major > 1) fact("mistake", file ": version " own " is below 0")
        if (own) common = own
        for (i = 1; i <= lines; i++) {
            at = index(line[i], "=")
            key = substr(line[i], 1, at - 1)
            value = substr(line[i], at + 1)
            if (key == "/disabled_plugins[]") {
                disabled[++disabling] = value
                disabler[disabling] = file
                disabled_at[disabling] = version
            }
            if (key == "/required_plugins[]") {
                required[value] = file
                required_at[value] = version
            }
            if (key ~ /^\/proxy_plugins\//) proxy[substr(key, 16, index(substr(key, 16) "/", "/") - 1)] = 1
            if (key == "/plugin_dir" && value != "") foreign = 1
            if (key ~ /^\/(imports|disabled_plugins|required_plugins)\[\]$/ && !is_string[i])
                fact("mistake", file ": " substr(key, 2, length(key) - 3) " has what is no string")
            if (key ~ /^\/(root|state|temp|plugin_dir|(grpc|ttrpc|debug|metrics)\/(address|level|format)|cgroup\/path)$/ \
                && !is_string[i]) fact("mistake", file ": " substr(key, 2) " is no string")
            if (key ~ /^\/(version|oom_score|[a-z]+\/(uid|gid|max_recv_message_size|max_send_message_size))$/ \
                && (is_string[i] || value !~ whole) && !(key == "/version" && value == "" && !is_string[i] && major > 1)) fact("mistake", file ": " substr(key, 2) " is no whole number")
            if (key ~ /^\/version\//) fact("mistake", file ": version is no whole number")
            if (key ~ /^\/timeouts\/[^\/]*$/ && value !~ /^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|ms|s|m|h))+$|^0$/)
                fact("mistake", file ": " substr(key, 2) " is no time such as 5s")
            if (key ~ /^\/(imports|disabled_plugins|required_plugins)$/ && value != "[]")
                fact("mistake", file ": " substr(key, 2) " is no list")
            if (index(key, "/plugins/") == 1) {
                key = substr(key, 10)
                type_of(key, is_string[i])
                if (major > 1) plugin(key, value, version)
                else keep(key, value)
            }
        }
        lines = own = 0
        split("", is_string)
        file = ""
    }
    function keep(key, value,   name) { # for later: up to 1.7 the last file that has a section has all of it
        name = key
        sub(/\/.*/, "", name)
        if (kept_of[name] != file) { kept_of[name] = file; kept[name] = 0 }
        section[name, ++kept[name]] = substr(key, length(name) + 1) "=" value
    }
    function unkeep(name,   i, at) {
        for (i = 1; i <= kept[name]; i++) {
            at = index(section[name, i], "=")
            plugin(name substr(section[name, i], 1, at - 1), substr(section[name, i], at + 1), common)
        }
    }
    BEGIN {
        bin_dirs = major > 1
        whole = "^([+-]?[0-9][0-9_]*|0(x[0-9A-Fa-f_]+|o[0-7_]+|b[01_]+))$"
        switches = "^(SystemdCgroup|NoPivotRoot|NoNewKeyring|systemd_cgroup|no_pivot|cgroup_writable|setup_serially" \
            "|device_ownership_from_security_context|disable_(apparmor|cgroup|hugetlb_controller|proc_mount|tcp_service)" \
            "|disable_snapshot_annotations|discard_unpacked_layers|enable_(cdi|selinux|tls_streaming|unprivileged_(icmp|ports))" \
            "|ignore_image_defined_volumes|ignore_(blockio|rdt)_not_enabled_errors|max_con(current_downloads|f_num)" \
            "|max_container_log_line_size|netns_mounts_under_state_dir|privileged_without_host_devices(_all_devices_allowed)?" \
            "|restrict_oom_score_adj|selinux_category_range|tolerate_missing_hugetlb_controller" \
            "|use_(internal_loopback|local_image_pull))$"
        texts = "^(sandbox|sandbox_image|snapshotter|default_runtime_name|runtime_type|config_path|bin_dir|conf_dir)$"
    }
    /^"/ { is_string[lines + 1] = 1; next }
    /^@/ { finish(); file = substr($0, 2); fact("file", file); next }
    /^!/ {
        at = substr($1, 2)
        sub(/^![0-9]+ /, "")
        fact($0 == "cannot be read" ? "unseen" : "mistake", file (at > 0 ? ":" at : "") ": " $0)
        next
    }
    /^\/version=/ { own = number(substr($0, 10)) }
    { line[++lines] = $0 }
    END {
        finish()
        if (major < 2) {
            common = common ? common : 1
            for (name in kept) if (common > 1 && !is_full(name))
                fact("mistake", kept_of[name] ": plugins has " name ", which is no full name")
            unkeep(common < 2 ? "cri" : "io.containerd.grpc.v1.cri")
        }
        for (i = 1; i <= disabling; i++) {
            version = major < 2 ? common : disabled_at[i]
            name = disabled[i]
            if (version > 1 && !is_full(name)) fact("mistake", disabler[i] ": disabled_plugins has " name ", which is no full name")
            else fact("disabled", full(name, version) (major < 2 && version < 2 && name ~ /\./ ? "?" : "") " " disabler[i])
        }
        for (key in settings) if (key ~ /^runtime\/containerd\/runtimes\/[^\/]*/) {
            name = substr(key, 29)
            sub(/\/.*/, "", name)
            if (!named[name]++) fact("runtime", name)
            if (key ~ /\/runtime_type$/) fact("type_of", name " " settings[key])
            if (tolower(key) ~ /\/options\/systemdcgroup$/) fact("systemd_cgroup_of", name " " settings[key])
        }
        fact("sandbox", settings["images/pinned_images/sandbox"])
        if (("runtime/containerd/default_runtime_name" in settings) && settings["runtime/containerd/default_runtime_name"] == "")
            fact("default_runtime_empty", "yes")
        fact("default_runtime", settings["runtime/containerd/default_runtime_name"])
        fact("bin_dir", settings["runtime/cni/bin_dir"])
        for (i = 1; i <= size["runtime/cni/bin_dirs[]"]; i++) fact("bin_dirs", list["runtime/cni/bin_dirs[]", i])
        fact("snapshotter", settings["images/snapshotter"])
        fact("config_path", settings["images/registry/config_path"])
        for (key in settings) {
            if (index(key, "images/registry/mirrors/") == 1) mirrors = 1
            if (major < 2 && key ~ /^images\/registry\/configs\/[^\/]*\/tls(\/|$)/) tls = 1
        }
        if (tls) fact("config_tls", "some")
        know_plugins()
        for (name in required) {
            for (i = 1; i <= disabling && disabled[i] != name; i++);
            if (i <= disabling) fact("mistake", required[name] ": required_plugins has " name ", which disabled_plugins has too")
            else if (!is_plugin(name, major < 2 ? common : required_at[name])) fact(unsure || foreign ? "unseen" : "mistake", \
                required[name] ": required_plugins has " name ", and there is no such plugin")
        }
        if (mirrors) fact("mirrors", "some")
    }'
}
