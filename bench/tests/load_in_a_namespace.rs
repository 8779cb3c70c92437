//! `bench load` in a network namespace of its own, where every address is ours and nobody need say so.

mod as_root {
    use std::process::Command;

    /// A sink and a load on the addresses that are its arguments. Whatever fails, nothing is left running.
    const BOTH: &str = r#"
        bench=$1; at=$2; from=$3
        trap 'kill $sink 2> /dev/null || true' EXIT
        ip link set lo up
        ip route add local 198.18.0.0/15 dev lo
        timeout 60 "$bench" sink --listen "$at" --network-is-mine > /dev/null 2>&1 & sink=$!
        for _ in $(seq 400); do
            [ -n "$(ss -Hltn 'sport = :2525')" ] && break; sleep 0.05
        done
        timeout 60 "$bench" load --target "$at" --source "$from" --scenario monday --connections 4 --sessions 60 --json
    "#;

    #[test]
    fn every_address_is_ours() {
        let (at, from) = ("198.18.0.1:2525", "198.19.0.0/16");
        let arguments = ["--net", "sh", "-euc", BOTH, "both", env!("CARGO_BIN_EXE_bench"), at, from];
        let output = Command::new("unshare").args(arguments).output().expect("unshare can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
        let honest = &report["kinds"][0];
        assert!(honest["granted"].as_u64() > Some(20), "{report:#}");
        assert_eq!(honest["granted"], honest["sessions"], "{report:#}");
    }
}
