// What fio reports in JSON, reduced to what is shown. Pure.

/** One job's result; rates per second, latencies in microseconds at completion. */
export type FioJob = {
  job: string;
  iops: number;
  bytesPerS: number;
  p50Us: number;
  p99Us: number;
  error: number;
};

type Side = {
  total_ios?: number;
  iops?: number;
  bw_bytes?: number;
  clat_ns?: { percentile?: Record<string, number> };
};
type Report = { jobs?: Array<{ jobname?: string; error?: number; read?: Side; write?: Side }> };

/** Reads fio's output, which may have lines before its JSON. Errors: there is no JSON with jobs in it. */
export function parseFio(output: string): FioJob[] {
  const start = output.indexOf("{");
  const report = start < 0 ? undefined : (JSON.parse(output.slice(start)) as Report);
  if (!Array.isArray(report?.jobs)) throw new Error("fio reported no jobs");
  return report.jobs.map(({ jobname = "?", error = 0, read = {}, write = {} }) => {
    const side = (write.total_ios ?? 0) > 0 ? write : read;
    const percentile = side.clat_ns?.percentile ?? {};
    return {
      job: jobname,
      iops: side.iops ?? 0,
      bytesPerS: side.bw_bytes ?? 0,
      p50Us: (percentile["50.000000"] ?? 0) / 1000,
      p99Us: (percentile["99.000000"] ?? 0) / 1000,
      error,
    };
  });
}
