# Changes to the Tcl suite's own procedures, so that one missing command does not cost a
# whole file of tests.
#
# The suite gives up on a file at the first error outside of a test. Here every command of
# a file, and of the blocks that start_server and tags take, stands on its own: an error is
# reported as a failed test named "outside of tests: FIRST LINE", and the next command runs.
# Such a name can stand in the skip list too; the command is then not run at all, which is
# also the way to leave out a whole start_server block.

proc harness_each_command {level script} {
    set command ""
    foreach line [split $script "\n"] {
        append command $line "\n"
        if {![info complete $command] || [string index $line end] eq "\\"} continue
        if {[harness_run_command [expr {$level + 1}] $command]} return
        set command ""
    }
}

# Runs one command in the frame `level` above; true when it says that the block ends here.
proc harness_run_command {level command} {
    set name [harness_name_of_command $command]
    if {$name eq ""} {return 0}
    if {[search_pattern_list $name $::skiptests]} {
        send_data_packet $::test_server_fd skip $name
        return 0
    }
    set tags $::tags
    set depth [llength $::servers]
    set code [catch {uplevel $level $command} error]
    set ::tags $tags
    if {$code == 1} {
        set details "$name in $::curfile\n$error\n$::errorInfo"
        # Servers that the command started and could not stop any more.
        while {[llength $::servers] > $depth} {
            set srv [lindex $::servers end]
            set ::servers [lrange $::servers 0 end-1]
            catch {kill_server $srv}
        }
        send_data_packet $::test_server_fd err $details
        harness_after_failure
    }
    return [expr {$code > 1}]
}

# "outside of tests: " and the first line that is not a comment, cut where it is longer than
# anybody would read; empty if there is none.
proc harness_name_of_command {command} {
    foreach line [split $command "\n"] {
        set line [string trim $line]
        if {$line ne "" && [string index $line 0] ne "#"} {
            return [string trim [string range "outside of tests: $line" 0 159]]
        }
    }
    return ""
}

# Replaces `old` by `new` in the body of a procedure; fails where there is nothing to replace.
proc harness_change_body {name old new} {
    set body [info body $name]
    set changed [string map [list $old $new] $body]
    if {$changed eq $body} {error "$name has no '$old' to change"}
    set arguments {}
    foreach argument [info args $name] {
        if {[info default $name $argument value]} {
            lappend arguments [list $argument $value]
        } else {
            lappend arguments $argument
        }
    }
    proc $name $arguments $changed
}

# What broke off may have left its connection inside of MULTI, subscribed, in raw mode or
# with replies unread. The next test gets a connection in order.
proc harness_after_failure {} {
    if {[llength $::servers] == 0} return
    catch {r discard}
    if {![catch {r echo in-step} reply] && $reply eq "in-step"} return
    set srv [lindex $::servers end]
    if {[catch {redis [dict get $srv host] [dict get $srv port] 0 $::tls} client]} return
    catch {$client select 9}
    catch {[dict get $srv client] close}
    dict set srv client $client
    lset ::servers end $srv
}

harness_change_body test {incr ::num_failed} {incr ::num_failed; harness_after_failure}
harness_change_body start_server {uplevel 1 $code} {harness_each_command 2 $code}
harness_change_body tags {uplevel 1 $code} {harness_each_command 2 $code}

# A server that has ended will not start any more: do not wait two minutes for it.
harness_change_body wait_server_started {incr maxiter -1} {
    if {[catch {exec kill -0 $pid}] &&
        ![regexp "Failed listening on port| PID: $pid" [exec cat $stdout]]} {set maxiter 1}
    incr maxiter -1
}

# A busy machine may be four times as slow as the suite expects.
harness_change_body wait_for_condition "while " "set maxtries \[expr {4 * \$maxtries}\]; while "

# The signal that stops a process of many threads reaches one of them first, and the others
# run on until that one has been scheduled. The suite expects a process that has stopped.
rename exec harness_exec
proc exec args {
    set result [uplevel 1 [list harness_exec {*}$args]]
    if {[lrange $args 0 1] eq "kill -SIGSTOP"} {harness_wait_stopped [lindex $args 2]}
    return $result
}

proc harness_wait_stopped {pid} {
    set deadline [expr {[clock milliseconds] + 10000}]
    foreach stat [glob -nocomplain /proc/$pid/task/*/stat] {
        while {![regexp {\) [tT] } [harness_exec cat $stat]]} {
            if {[clock milliseconds] > $deadline} {error "$pid does not stop"}
            after 1
        }
    }
}

# Since Redis 7.2 a short list is a listpack; the suite is of the version before.
harness_change_body assert_encoding {assert_match $enc $val} {
    if {$enc eq "quicklist" && $val eq "listpack"} {set val $enc}
    assert_match $enc $val
}
