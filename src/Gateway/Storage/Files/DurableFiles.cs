using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage.Files;

/// <summary>What a new or renamed file needs besides its own fsync to survive a power cut: its folder's.</summary>
internal static partial class DurableFiles
{
    /// <summary>Makes the names in a folder durable (fsync of the folder; Windows keeps names with the file).</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var handle = new SafeFileHandle(Open(folder, 0), ownsHandle: true);
        if (handle.IsInvalid || FSync(handle) != 0)
        {
            throw new IOException($"fsync of the folder {folder} failed with errno {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle file);
}
