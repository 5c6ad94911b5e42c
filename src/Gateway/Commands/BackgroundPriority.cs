using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Gateway.Commands;

/// <summary>
/// Makes this process run only where nothing else wants to. On Linux every thread gets the policy SCHED_IDLE, which serving
/// threads preempt the moment they wake (a nice value alone lets the trainer finish its slice, which shows as latency); where
/// that is refused, and elsewhere, the lowest priority class remains.
/// </summary>
internal static partial class BackgroundPriority
{
    private const int SchedIdle = 5;

    /// <summary>Applies to all threads there are; threads they start inherit it.</summary>
    public static void Apply()
    {
        using var process = Process.GetCurrentProcess();
        process.PriorityClass = ProcessPriorityClass.Idle;
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        var parameter = 0;
        foreach (var thread in Directory.EnumerateDirectories("/proc/self/task"))
        {
            // A thread may end in between, and a container may forbid the call: the nice value is then all there is.
            _ = SetScheduler(int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), SchedIdle, ref parameter);
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, ref int parameter);
}
