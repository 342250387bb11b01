
# Random data as the suite makes it, of the one type that there is: keys are set, changed,
# deleted and, if that is asked for, given a short time to live.

proc createComplexDataset {r ops {opt {}}} {
    set tag [expr {[lsearch -exact $opt usetag] == -1 ? "" : "{t}"}]
    set expires [expr {[lsearch -exact $opt useexpire] != -1}]
    for {set made 0} {$made < $ops} {incr made} {
        set key [randomKey]$tag
        if {$expires && rand() < 0.1} {
            {*}$r expire [randomKey]$tag [randomInt 2]
        }
        randpath {
            {*}$r set $key [randomValue]
        } {
            {*}$r append $key [randomValue]
        } {
            {*}$r setrange $key [randomInt 100] [randomValue]
        } {
            {*}$r mset $key [randomValue] [randomKey]$tag [randomValue]
        } {
            {*}$r set $key [randomInt 1000]
            {*}$r incrby $key [randomInt 1000]
        } {
            {*}$r del $key
        }
    }
}
